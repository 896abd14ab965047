"""The rules of the layout that design and newcomers rely on."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dlx"
PARTS = ("dataset", "split", "preprocessing", "model", "loss", "metric", "optimizer", "schedule", "regularizer",
         "search")
# What each room may import from; imports point one way.
ALLOWED = {
    "core": set(),
    **{part: {"core"} for part in PARTS},
    "hygiene": {"core", "measure"},
    "measure": {"core"},
    "record": {"core"},
    "report": {"core", "record", "measure"},
    "engine": {"core", "record", "hygiene"},
    "config": {"core", "record", "engine"},
    "launch": {"core", "record", "engine"},
    "reporting": {"core", "record", "engine", "report"},
    "run": {"core", "record", "engine", "config", "reporting", "launch"},
    "sweep": {"core", "record", "engine", "config", "run"},
    "launcher": {"core", "record", "sweep"},
    "cli": {"core", "record", "engine", "config", "run", "reporting", "sweep", "report", "hygiene"},
    "__main__": {"cli"},
    "__init__": set(),
}
HEAVY = {"torch", "torchvision", "sklearn", "pandas", "matplotlib", "scipy", "numpy", "hydra", "omegaconf", "optuna",
         "cmaes"}


def room(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("dlx.")}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = room(path)
    reached = {name.split(".")[1] for name in imports(path)} - {own, "__version__"}
    assert reached <= ALLOWED[own], f"{path} imports from {sorted(reached - ALLOWED[own])}"


@pytest.mark.parametrize("path", [path for part in PARTS for path in sorted((PACKAGE / part).glob("*.py"))],
                         ids=lambda path: str(path.relative_to(PACKAGE)))
def test_parts_never_import_their_siblings(path: Path) -> None:
    assert not {name for name in imports(path) if name.split(".")[1] == room(path)}


@pytest.mark.parametrize("group", PARTS)
def test_every_option_names_code_in_the_file_of_its_group(group: str) -> None:
    for path in sorted((ROOT / "conf" / group).glob("*.yaml")):
        values = yaml.safe_load(path.read_text()) or {}
        target = values.get("_target_") or values.get(group, {}).get("_target_")
        if target is None:
            assert path.stem == "none", f"{path} names no code"
            continue
        assert target.startswith(f"dlx.{group}."), f"{path} names {target}"
        assert (ROOT / f"{target.rpartition('.')[0].replace('.', '/')}.py").is_file(), f"{path} names {target}"


def test_every_section_of_the_report_names_code_in_the_file_of_its_name() -> None:
    for path in sorted((ROOT / "conf" / "report").glob("*.yaml")):
        target = (yaml.safe_load(path.read_text()) or {}).get("_target_")
        assert target is None or target.startswith(f"dlx.report.{path.stem}."), f"{path} names {target}"
        assert target is not None or path.stem in ("none", "standard", "full")


@pytest.mark.parametrize("module", ["render", *(path.stem for path in (PACKAGE / "report/sections").glob("[a-z]*.py"))])
def test_rendering_imports_no_torch(module: str) -> None:
    name = f"dlx.report.{module if module == 'render' else f'sections.{module}'}"
    done = subprocess.run([sys.executable, "-c", f"import sys, {name}; print('torch' in sys.modules)"],
                          capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("group", PARTS)
def test_every_file_of_a_group_has_an_option(group: str) -> None:
    named = " ".join(path.read_text() for path in (ROOT / "conf" / group).glob("*.yaml"))
    lost = [path.stem for path in (PACKAGE / group).glob("[a-z]*.py") if f"dlx.{group}.{path.stem}." not in named]
    assert lost == []


@pytest.mark.parametrize("module", ["dlx", "dlx.cli.main", "dlx.cli.list", "dlx.config.compose", "dlx.config.build",
                                    "dlx.sweep.drive", "dlx.sweep.launch", "dlx.launcher.local", "dlx.run"])
def test_importing_the_command_line_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# Calls that run nothing if they are made so: tensors alone are unpickled, of a file that the user names.
SAFE = {"yaml.load": "Loader=_Loader", "torch.load": "weights_only=True"}


def test_no_line_of_the_package_runs_what_a_file_says() -> None:
    forbidden = {"torch.load", "pickle.load", "pickle.loads", "yaml.load", "yaml.unsafe_load", "eval", "exec"}
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in forbidden:
                safe = any(ast.unparse(node.func) == call and how in ast.unparse(node) for call, how in SAFE.items())
                found += [] if safe else [f"{path}:{node.lineno}"]
    assert found == []
