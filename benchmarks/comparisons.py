"""What is compared of one run, against whom, and how fast it has to be."""

from __future__ import annotations

from dataclasses import dataclass

from sides import HERE, Command, Function, Side
from table import Unit


@dataclass(frozen=True)
class Peer:
    """Who is compared with.

    Args:
        title: its name in the table.
        sides: its ways to do the work; the fastest counts.
        bar: the greatest ratio, dlx over peer, that is good enough; None where the ratio is only reported.
        dlx: what of dlx is compared with it, where it is not that of the comparison.
    """

    title: str
    sides: tuple[Side, ...]
    bar: float | None = None
    dlx: Side | None = None


@dataclass(frozen=True)
class Comparison:
    """One work, done by dlx and by peers in alternation.

    Args:
        limit: the most that is good enough, beside peers or without them.
        unit: of what is measured: seconds or bytes.
        needs_gpu: cannot be done without one.
    """

    name: str
    title: str
    repetitions: int
    dlx: Side
    peers: tuple[Peer, ...] = ()
    limit: float | None = None
    unit: Unit = "seconds"
    needs_gpu: bool = False


def peer_function(name: str, module: str, num_epochs: int, **options: object) -> tuple[Side]:
    """Return the one way of a peer that is a function."""
    return (Function(module, name, {"num_epochs": num_epochs, **options}),)


def script(name: str) -> tuple[Side]:
    """Return the one way of a peer that is a script."""
    return (Command(("python", "-W", "ignore", str(HERE / "peers" / name))),)


def augmented(interpolation: str, **pipeline: str) -> Side:
    """Return dlx, or one of torchvision's pipelines, augmenting images."""
    module, num_epochs = ("mnist_transforms", 1) if pipeline else ("dlx_augment", 3)
    return Function(module, "sample_seconds", {"num_epochs": num_epochs, "interpolation": interpolation, **pipeline})


IMPORT_TORCH = (Peer("python -c 'import torch'", (Command(("python", "-c", "import torch")),), 0.2),)
STEP, EPOCH = "step_seconds", "epoch_seconds"
NET = ("dataset=digits", "model=mlp", "model.width=128", "model.depth=1", "optimizer=adam")
DIGITS = (*NET, "optimizer.lr=1e-3")

OF_ONE_RUN = (
    Comparison(
        "digits-step",
        "training step, MLP 64-128-10, batch 64, nothing measured or written",
        7,
        Function("dlx_side", STEP, {"num_epochs": 30}),
        (
            Peer("hand loop, fused Adam", peer_function(STEP, "hand_loop", 30, fused=True), 1.10),
            Peer("hand loop, default Adam", peer_function(STEP, "hand_loop", 30, fused=False), 1.10),
            Peer("Lightning, leanest", peer_function(STEP, "lightning_digits", 30)),
            Peer("skorch, leanest", peer_function(STEP, "skorch_digits", 30)),
            Peer("Keras (torch), leanest", peer_function(STEP, "keras_digits", 30)),
        ),
    ),
    Comparison(
        "digits-epoch",
        "epoch with train_eval, val, CSV, checkpoints, progress; leanest: measured and not written",
        5,
        Function("dlx_side", EPOCH, {"num_epochs": 60}),
        (
            Peer("hand loop, fused, val alone", peer_function(EPOCH, "hand_loop", 60, fused=True), 1.25),
            Peer("hand loop, default, val alone", peer_function(EPOCH, "hand_loop", 60, fused=False), 1.25),
            Peer("Lightning", peer_function(EPOCH, "lightning_digits", 60), 0.25),
            Peer("skorch", peer_function(EPOCH, "skorch_digits", 60), 0.25),
            Peer("Keras (torch)", peer_function(EPOCH, "keras_digits", 60), 0.25),
            Peer("Lightning, leanest", peer_function(EPOCH, "lightning_digits", 60, lean=True)),
            Peer("skorch, leanest", peer_function(EPOCH, "skorch_digits", 60, lean=True)),
            Peer("Keras (torch), leanest", peer_function(EPOCH, "keras_digits", 60, lean=True)),
        ),
    ),
    Comparison(
        "digits-process",
        "whole process of 30 epochs; dlx with report and plots, peers with val alone",
        5,
        Command(("dlx", "train", *DIGITS, "batch_size=64", "epochs=30", "device.threads=1", "runs_dir=runs")),
        (
            Peer("Lightning", script("lightning_digits.py"), 1.0),
            Peer("Keras (torch)", script("keras_digits.py"), 1.0),
            Peer("skorch", script("skorch_digits.py")),
        ),
    ),
    Comparison(
        "mnist-epoch",
        "training epoch, MLP 784-128-10, batch 64, 50,000 rows; the peer with 0 or 2 workers, whichever is faster",
        3,
        Function("dlx_side", "mnist_epoch_seconds", {"num_epochs": 1}),
        (
            Peer(
                "torchvision, DataLoader",
                tuple(
                    Function("mnist_dataloader", EPOCH, {"num_epochs": 1, "num_workers": count}) for count in (0, 2)
                ),
                0.2,
            ),
        ),
    ),
    Comparison(
        "mnist-augment",
        "an example of MNIST, gathered, cropped and rotated, batch 64; torchvision in a DataLoader without workers",
        5,
        augmented("nearest"),
        (
            Peer("torchvision v1, PIL", (augmented("nearest", kind="v1"),), 1 / 15),
            Peer("torchvision v2, PIL", (augmented("nearest", kind="v2"),), 1 / 15),
            Peer("torchvision v2, tensors", (augmented("nearest", kind="tensors"),), 1 / 15),
            Peer("… v1, PIL, both bilinear", (augmented("bilinear", kind="v1"),), dlx=augmented("bilinear")),
        ),
    ),
    Comparison(
        "table-start",
        "csv of 1 million rows × 30 columns, from overrides to the first step: read, fingerprint, split, standardize",
        5,
        Function("dlx_side", "table_start_seconds"),
        (Peer("pandas.read_csv alone", (Function("pandas_table", "read_seconds"),), 1.5),),
    ),
    Comparison(
        "images-warm-start",
        "CIFAR-10 from two tar files of JPEG, decoded before: to the end of the first step, after imports",
        5,
        Function("dlx_images", "warm_start_seconds"),
        limit=2.0,
    ),
    Comparison(
        "images-folder-warm-start",
        "the same as 60,000 files in folders",
        3,
        Function("dlx_images", "warm_start_seconds", {"unpacked": True}),
        limit=2.0,
    ),
    Comparison(
        "large-images",
        "training epoch on 98,304 of 163,840 images 3×128×128 in a file of 8 GB, linear model, batch 512",
        1,
        Function("dlx_large_images", EPOCH),
        (Peer("hand loop, reading ahead", (Function("large_images_loop", EPOCH),)),),
    ),
    Comparison(
        "large-images-memory",
        "resident memory of that whole process at most, from start to report, mapped pages of the file included",
        1,
        Function("dlx_large_images", "peak_bytes"),
        limit=1e9,
        unit="bytes",
    ),
    Comparison(
        "hessian",
        "five largest eigenvalues of the Hessian of an MLP of 100,180 weights on 1,024 examples, float64",
        7,
        Function("dlx_hessian", "eigenvalue_seconds"),
        (Peer("curvlinops, eigsh", (Function("curvlinops_hessian", "eigenvalue_seconds"),), 1.5),),
    ),
    Comparison(
        "report-digits",
        "standard report of digits: what it adds to dlx train, imports and figures included",
        5,
        Function("dlx_report", "added_seconds", {"dataset": "digits", "report": "standard"}),
        limit=1.5,
    ),
    Comparison(
        "report-mnist",
        "standard report of MNIST, MLP",
        3,
        Function("dlx_report", "added_seconds", {"dataset": "mnist", "report": "standard"}),
        limit=6.0,
    ),
    Comparison(
        "report-full",
        "full report of digits, MLP, one thread",
        1,
        Function("dlx_report", "added_seconds", {"dataset": "digits", "report": "full"}),
        limit=60.0,
    ),
    Comparison("start-help", "dlx -h", 7, Command(("dlx", "-h")), IMPORT_TORCH),
    Comparison("start-list", "dlx list", 7, Command(("dlx", "list")), IMPORT_TORCH),
    Comparison(
        "start-unknown-key",
        "dlx train optimzer.lr=1",
        7,
        Command(("dlx", "train", "optimzer.lr=1"), exit_code=2),
        IMPORT_TORCH,
    ),
)
