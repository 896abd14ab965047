"""What `pip install` gets: the package with its configuration, without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the checkout; its build backend comes from the package index."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    path, = folder.glob("*.whl")
    return path


@pytest.mark.slow
def test_wheel_holds_every_module_and_every_option(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(["git", "ls-files", "dlx", "conf"], cwd=ROOT, capture_output=True, text=True, check=True)
    expected = {f"dlx/{name}" if name.startswith("conf/") else name for name in tracked.stdout.splitlines()}
    assert names >= {name for name in expected if (ROOT / name).exists() or name.startswith("dlx/conf/")}
    assert "dlx/conf/train.yaml" in names
    assert all(name.startswith("dlx/") for name in names)
    assert not [name for name in names if "test" in name or "__pycache__" in name]


@pytest.mark.slow
def test_wheel_finds_its_configuration_in_another_folder(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "elsewhere").mkdir()

    def run(*arguments: str) -> str:
        # -P keeps the current folder out of the path; the unpacked copy comes before the editable install.
        done = subprocess.run([sys.executable, "-P", *arguments], cwd=tmp_path / "elsewhere", capture_output=True,
                              env={**os.environ, "PYTHONPATH": str(tmp_path / "site")}, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert run("-c", "import dlx; print(dlx.__file__)") == f"{tmp_path}/site/dlx/__init__.py\n"
    groups = run("-m", "dlx", "list").splitlines()
    assert [line.split()[0] for line in groups] == sorted(path.name for path in (ROOT / "conf").iterdir()
                                                          if path.is_dir())
    described = run("-m", "dlx", "list", "optimizer")
    assert "Adam" in described or "w ←" in described
    assert run("-m", "dlx", "validate", "model=cnn").startswith("valid: digits-cnn ")
    defaults = yaml.safe_load((tmp_path / "site/dlx/conf/train.yaml").read_text())
    assert defaults == yaml.safe_load((ROOT / "conf/train.yaml").read_text())
