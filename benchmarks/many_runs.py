"""What is compared of many runs: members of a fused run, sweeps, plans; and how fast they have to be."""

from __future__ import annotations

from comparisons import DIGITS, NET, Comparison, Peer, script
from sides import Command, Function, Side

ONE_THREAD = ("device=cpu", "device.threads=1")
IRIS_SIZED = ("dataset=iris_sized", "model=mlp", "model.width=32", "model.depth=1", "optimizer=adam", "batch_size=32")
CNN = ("dataset=cifar10_sized", "model=cnn", "device.precision=bfloat16", "batch_size=128")
MLP = (*DIGITS, "batch_size=64")
SWEEP = (*NET, "batch_size=64", "epochs=30", "optimizer.lr=1e-4,3e-4,1e-3,3e-3,1e-2", "seeds=20", "device=cpu")
POINTS = (
    "dataset=digits",
    "model=mlp",
    "optimizer=adam",
    f"optimizer.lr={','.join(f'{number}e-4' for number in range(1, 21))}",
    f"optimizer.weight_decay={','.join(f'{number}e-4' for number in range(10))}",
    "model.width=16,32,64,128,256",
)
NO_GRAPHS = "neither side with CUDA graphs, which dlx has not"


def fused(name: str, title: str, bar: float, overrides: tuple[str, ...], num_epochs: int) -> Comparison:
    """Compare members with one run alone, per step of one model; a run alone takes four times the epochs."""

    def side(function: str, num_members: int, **options: bool) -> Side:
        epochs = 4 * num_epochs if num_members == 1 else num_epochs
        arguments = {"num_epochs": epochs, "num_members": num_members, "overrides": [*overrides, *ONE_THREAD]}
        return Function("dlx_members", function, arguments | options)

    step, whole = "step_seconds", "training_step_seconds"
    alone = (side(step, 1),)
    return Comparison(
        name,
        f"training step per model, {title}, one thread, batches ready",
        7,
        side(step, 32),
        (
            Peer("dlx alone; 32 members", alone, bar),
            Peer("… 32 learning rates", alone, dlx=side(step, 32, distinct_lrs=True)),
            Peer("… 128 members", alone, dlx=side(step, 128)),
            Peer("… 32, gathering batches", (side(whole, 1),), dlx=side(whole, 32)),
        ),
    )


def lightning(**options: bool) -> tuple[Side]:
    """Return the way of Lightning's sweep."""
    return (Function("lightning_sweep", "sweep_seconds", {"num_runs": 10, **options}),)


OF_MANY_RUNS = (
    fused("fused-64", "MLP 64-128-10, batch 64", 1 / 4, MLP, 10),
    fused("fused-16", "MLP 64-128-10, batch 16", 1 / 8, (*DIGITS, "batch_size=16"), 4),
    fused("fused-iris", "MLP 4-32-3, batch 32", 1 / 20, IRIS_SIZED, 100),
    Comparison(
        "sweep-100",
        "whole sweep, 20 seeds × 5 learning rates, 30 epochs, dlx with 2 workers, peers in one process; Lightning: 10 "
        "runs in a process that has started, times 10",
        3,
        Command(("dlx", "sweep", *SWEEP, "workers=2", "runs_dir=runs")),
        (
            Peer("Lightning", lightning(), 1 / 25),
            Peer("Lightning, fastest loaders", lightning(lean=True)),
            Peer("hand loop", script("hand_sweep.py"), 1 / 5),
        ),
    ),
    Comparison(
        "member-overhead",
        "a run of 50 in one process beside its steps and evaluations: folder, CSV, checkpoints, summary",
        5,
        Function(
            "dlx_sweep",
            "overhead_seconds",
            {"num_members": 50, "overrides": [*MLP, "epochs=10", *ONE_THREAD]},
        ),
        limit=0.015,
    ),
    Comparison(
        "plan-1000-command",
        "dlx sweep of 1,000 points --dry-run",
        5,
        Command(("dlx", "sweep", *POINTS, "--dry-run")),
        limit=3.0,
    ),
    Comparison(
        "plan-1000",
        "the plan of 1,000 points and its check alone",
        5,
        Function("dlx_sweep", "plan_seconds", {"overrides": POINTS, "num_runs": 1000}),
        limit=3.0,
    ),
)


def gpu_row(name: str, title: str, num_members: int, bar: float, overrides: tuple[str, ...], device: str
            ) -> Comparison:
    """Compare members on a device with one run alone on it, per step of one model; on the CPU only to try it out."""
    is_trial = device == "cpu"
    typed = [*overrides, f"device={device}", "device.threads=1", *(["model.width=4"] if is_trial else [])]

    def side(function: str, members: int) -> Side:
        epochs = 1 if is_trial else 20
        return Function("dlx_members", function, {"num_epochs": epochs, "num_members": members, "overrides": typed})

    step, whole = "step_seconds", "training_step_seconds"
    return Comparison(
        name,
        f"training step per model, {title}, device {device}, {NO_GRAPHS}",
        7,
        side(step, num_members),
        (
            Peer(f"dlx alone; {num_members} members", (side(step, 1),), None if is_trial else bar),
            Peer("… gathering batches", (side(whole, 1),), dlx=side(whole, num_members)),
        ),
        needs_gpu=not is_trial,
    )


def on_gpu(device: str) -> tuple[Comparison, ...]:
    """Return what is compared on a GPU; where the device is the CPU, the same in small, to try the code out."""
    is_trial = device == "cpu"
    return (
        gpu_row("gpu-cnn", "CNN, images 3×32×32, batch 128, bfloat16", 2 if is_trial else 8, 1 / 3, CNN, device),
        gpu_row("gpu-mlp", "MLP 64-128-10, batch 64", 4 if is_trial else 256, 1 / 50, MLP, device),
    )
