"""dlx data clean"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.core.errors import ConfigError

PATH_KEYS = ("dataset.path", "dataset.test_path")

if TYPE_CHECKING:
    from dlx.core.own_data.prepared_copies import Copy


def run(args: argparse.Namespace) -> int:
    """Remove decoded copies, all or those of a dataset, and list them."""
    dataset, paths = _chosen(args.overrides) if args.overrides else (None, frozenset())
    from dlx.core.own_data.prepared import cache_folder
    from dlx.core.own_data.prepared_copies import remove

    removal = remove(dataset, paths)
    total = sum(copy.num_bytes for copy in removal.removed)
    if args.json:
        print(json.dumps({"folder": str(cache_folder()), "removed": [_row(copy) for copy in removal.removed],
                          "abandoned": len(removal.abandoned), "in_use": [_row(copy) for copy in removal.in_use],
                          "bytes": total}))
        return 0
    for copy in removal.removed:
        print(f"{shown_size(copy.num_bytes):>9}  {_what(copy)}")
    for copy in removal.in_use:
        print(f"   in use  {_what(copy)}; another process is at work on it")
    if removal.abandoned:
        print(f"{len(removal.abandoned)} unfinished copies of processes that were killed")
    count = len(removal.removed)
    print(f"removed {count} decoded {'copy' if count == 1 else 'copies'}, {shown_size(total)}, from {cache_folder()}")
    return 0


def _chosen(overrides: list[str]) -> tuple[str, frozenset[str]]:
    """Return the dataset and the paths that overrides name."""
    from dlx.config.compose import parse, plain, search_folders
    from dlx.config.names import option_problems

    values = {override.key_or_group: plain(override.value()) for override in parse(overrides)}
    others = values.keys() - {"dataset", *PATH_KEYS}
    if "dataset" not in values or others:
        raise ConfigError("dlx data clean removes all decoded copies, or with dataset=NAME those of one dataset, or "
                          f"with dataset.path=PATH too those of one path; got {' '.join(overrides)}")
    problems = option_problems("dataset", [str(values["dataset"])], search_folders(None))
    if problems:
        raise ConfigError(*problems)
    return str(values["dataset"]), frozenset(place for key in PATH_KEYS if key in values
                                             for place in _places(str(values[key])))


def _places(path: str) -> list[str]:
    """Return where a path that is typed may have been, there or not."""
    from dlx.run import Surroundings

    given = Path(path).expanduser()
    data_dir = Surroundings.of({"data_dir": "auto", "checkpoint_seconds": 0.0}).data_dir
    return [os.path.abspath(folder / given) for folder in (Path.cwd(), Path(data_dir))]


def _row(copy: Copy) -> dict[str, Any]:
    return {"dataset": copy.dataset, "paths": list(copy.paths), "bytes": copy.num_bytes, "folder": str(copy.folder)}


def _what(copy: Copy) -> str:
    return f"{copy.dataset} of {', '.join(copy.paths)}" if copy.dataset is not None else f"damaged, {copy.folder.name}"


def shown_size(num_bytes: int) -> str:
    """Write a number of bytes with a unit."""
    size, unit = float(num_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
