"""A user's own parts, that behave or not, for tests to put into a current folder and a --config-dir."""

from __future__ import annotations

from pathlib import Path

CONFIG_DIR = "--config-dir=conf"
MODULE = "mymodels"
CODE = '''
"""What a user might have written."""
import ctypes, os, pathlib, resource, signal, time
from os import system  # what a careless module may hold
import torch
from torch import nn


def misbehave(mode):
    """Fail, leave, die or hang, if that is the mode."""
    if mode == "raise":
        raise ValueError("the user's own mistake")
    if mode == "memory":
        raise MemoryError
    if mode == "exit":
        os._exit(9)
    if mode == "leave":
        os._exit(0)
    if mode == "segfault":
        ctypes.string_at(0)
    if mode == "hang":
        while True:
            time.sleep(1)
    if mode == "limit":
        used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**24, resource.RLIM_INFINITY))
        torch.zeros(2**30)
    if mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


class Net(nn.Module):
    """An MLP whose forward naps, fails, leaves, dies, hangs or diverges while it trains, if it is told to: "leave" is
    with exit code 0, "limit" out of memory; in the mode "built" its constructor leaves the process, where it is not
    built without memory, for a check.

    Misbehaving and napping need the file `misbehave` in the current folder.
    """

    def __init__(self, input_shape, num_outputs, width: int, mode: str, nap: float):
        super().__init__()
        self.mode, self.nap = mode, nap
        if mode == "built" and torch.empty(0).device.type != "meta" and pathlib.Path("misbehave").exists():
            os._exit(9)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, num_outputs))

    def forward(self, x):
        if self.training and x.device.type != "meta" and pathlib.Path("misbehave").exists():
            if self.nap:
                time.sleep(self.nap)
            misbehave(self.mode)
        outputs = self.layers(x)
        return outputs * float("nan") if self.mode == "diverge" and self.training else outputs


class Leaves:
    """A loss whose constructor leaves the process."""

    kinds = ("classification",)

    def __init__(self, leave: bool):
        if leave:
            os._exit(9)

    def __call__(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets, reduction="none")


class Dosed:
    """Cross entropy times 1 + dose in training, where members may differ in dose. From the third step that a process
    takes on, it misbehaves as its mode says while a dose of 1 is among those of its members; "diverge" is in the
    member of that dose alone.

    Misbehaving needs the file `misbehave` in the current folder.
    """

    kinds = ("classification",)
    MEMBER_VALUES = ("dose",)

    def __init__(self, mode: str, dose: float):
        self.mode, self.dose, self.steps = mode, dose, 0

    def __call__(self, outputs, targets):
        losses = nn.functional.cross_entropy(outputs, targets, reduction="none")
        if not torch.is_grad_enabled():
            return losses
        self.steps += 1
        doses = torch.as_tensor(self.dose).view(-1, 1)
        members = losses.view(len(doses), -1) * (1 + doses)
        if self.steps > 2 and (doses == 1).any() and pathlib.Path("misbehave").exists():
            misbehave(self.mode)
            if self.mode == "diverge":
                members = torch.where(doses == 1, float("nan"), members)
        return members.flatten()
'''
OPTIONS = {
    "model/net.yaml": f"_target_: {MODULE}.Net\nwidth: 16\nmode: fine\nnap: 0.0\n",
    "loss/leaves.yaml": f"_target_: {MODULE}.Leaves\nleave: false\n",
    "loss/dosed.yaml": f"_target_: {MODULE}.Dosed\nmode: fine\ndose: 0.0\n",
}


def write_user_parts(cwd: Path) -> None:
    """Write the module and its options into a current folder."""
    (cwd / f"{MODULE}.py").write_text(CODE)
    for name, text in OPTIONS.items():
        path = cwd / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


LATE = ("--config-dir", "late_conf", "loss=late")


def write_late_loss(folder: Path) -> None:
    """Put a loss there that fails in training, with exit code 4, until a file named `late` is in the current folder."""
    (folder / "late_parts.py").write_text(
        "from pathlib import Path\n\nfrom dlx.core.errors import StorageError\n"
        "from dlx.loss.cross_entropy import CrossEntropy\n\n"
        "class Late(CrossEntropy):\n    def __call__(self, outputs, targets):\n"
        "        if not Path('late').exists():\n            raise StorageError('late is not here')\n"
        "        return super().__call__(outputs, targets)\n")
    (folder / "late_conf/loss").mkdir(parents=True)
    (folder / "late_conf/loss/late.yaml").write_text("_target_: late_parts.Late\nlabel_smoothing: 0.0\n"
                                                     "class_weights: null\n")
