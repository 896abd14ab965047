"""Small trained runs of every kind of task, made once per process, for what measures or shows a run."""

from __future__ import annotations

import atexit
import contextlib
import io
import shutil
import tempfile
from functools import cache
from pathlib import Path

from conftest import only_run

from dlx.cli.main import main
from dlx.engine.subject import TrainedRun
from dlx.run import build_saved, read_config

QUICK = ("device.threads=1", "device.kind=cpu", "report=[none]")
# By kind of task and layout: each trains in a second.
KINDS: dict[str, tuple[str, ...]] = {
    "images": ("dataset=digits", "model=mlp", "model.width=32", "epochs=4"),
    "convolution": ("dataset=digits", "model=cnn", "model.width=4", "model.norm=batch", "epochs=2"),
    "table": ("dataset=wine", "model=mlp", "model.width=16", "epochs=8", "batch_size=16"),
    "regression": ("dataset=diabetes", "model=mlp", "model.width=16", "loss=mse", "metric=[rmse,mae,r2]",
                   "preprocessing=[standardize,scale_target]", "epochs=8"),
    "sequence": ("dataset=copy", "dataset.num_examples=300", "model=lstm", "model.width=16",
                 "metric=[token_accuracy,exact_match]", "epochs=2"),
    "tokens": ("dataset=modular_addition", "dataset.modulus=11", "model=bag", "epochs=2"),
    "series": ("dataset=digits", "model=lstm", "model.width=16", "epochs=2"),
}


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="dlx-trained-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def trained(*overrides: str) -> Path:
    """Return the folder of a run that is trained with overrides; it is shared: not to be changed, see `copied`."""
    runs_dir = Path(tempfile.mkdtemp(dir=_folder()))
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(["train", f"runs_dir={runs_dir}", *QUICK, *overrides])
    assert code == 0, said.getvalue()
    return only_run(runs_dir)


def copied(folder: Path, target: Path) -> Path:
    """Copy a run folder to where it may be changed."""
    shutil.copytree(folder, target)
    return target


def subject(folder: Path) -> TrainedRun:
    """Return a run as sections of a report measure it."""
    return TrainedRun(folder, build_saved(read_config(folder), ()), "unused")
