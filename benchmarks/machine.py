"""What the figures were measured on, without the machine's name."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("dlx", "torch", "torchvision", "lightning", "skorch", "keras", "curvlinops-for-pytorch",
            "scikit-learn", "numpy")


def description() -> dict[str, object]:
    """Return processor, cores, threads used, versions, and how busy the machine is now."""
    return {
        "cpu": cpu(),
        "num_cores": os.cpu_count(),
        "num_threads": 1,
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {package: installed(package) for package in PACKAGES},
    }


def gpu_name() -> str | None:
    """Return the model of the CUDA device that torch can use, or None."""
    import torch  # only where it is asked for

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def cpu() -> str:
    """Return the model of the processor, or its architecture where Linux does not say."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def installed(package: str) -> str:
    """Return the version of a package, or "absent"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
