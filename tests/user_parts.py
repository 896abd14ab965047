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
            if self.mode == "raise":
                raise ValueError("the user's own mistake")
            if self.mode == "memory":
                raise MemoryError
            if self.mode == "exit":
                os._exit(9)
            if self.mode == "leave":
                os._exit(0)
            if self.mode == "segfault":
                ctypes.string_at(0)
            if self.mode == "hang":
                while True:
                    time.sleep(1)
            if self.mode == "limit":
                used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
                resource.setrlimit(resource.RLIMIT_AS, (used + 2**24, resource.RLIM_INFINITY))
                torch.zeros(2**30)
            if self.mode == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
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
'''
OPTIONS = {
    "model/net.yaml": f"_target_: {MODULE}.Net\nwidth: 16\nmode: fine\nnap: 0.0\n",
    "loss/leaves.yaml": f"_target_: {MODULE}.Leaves\nleave: false\n",
}


def write_user_parts(cwd: Path) -> None:
    """Write the module and its options into a current folder."""
    (cwd / f"{MODULE}.py").write_text(CODE)
    for name, text in OPTIONS.items():
        path = cwd / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
