"""dlx data clean"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from dlx.core.errors import ConfigError

if TYPE_CHECKING:
    from dlx.core.prepared_copies import Copy


def run(args: argparse.Namespace) -> int:
    """Remove decoded copies, all or those of a dataset, and list them."""
    dataset, paths = _chosen(args.overrides) if args.overrides else (None, frozenset())
    from dlx.core.prepared import cache_folder
    from dlx.core.prepared_copies import remove

    removal = remove(dataset, paths)
    total = sum(copy.num_bytes for copy in removal.removed)
    if args.json:
        print(json.dumps({"folder": str(cache_folder()), "removed": [_row(copy) for copy in removal.removed],
                          "abandoned": len(removal.abandoned), "in_use": [_row(copy) for copy in removal.in_use],
                          "bytes": total}))
        return 0
    for copy in removal.removed:
        print(f"{_shown_size(copy.num_bytes):>9}  {_what(copy)}")
    for copy in removal.in_use:
        print(f"   in use  {_what(copy)}; another process is at work on it")
    if removal.abandoned:
        print(f"{len(removal.abandoned)} unfinished copies of processes that were killed")
    count = len(removal.removed)
    print(f"removed {count} decoded {'copy' if count == 1 else 'copies'}, {_shown_size(total)}, from {cache_folder()}")
    return 0


def _chosen(overrides: list[str]) -> tuple[str, frozenset[str]]:
    """Return the dataset and the paths that overrides name."""
    from dlx.config.compose import compose
    from dlx.config.saved import PART, to_part
    from dlx.core.file_tree import candidates
    from dlx.run import Surroundings

    if not any(text.startswith("dataset=") for text in overrides):
        raise ConfigError("dlx data clean removes all decoded copies, or with dataset=NAME those of one dataset, or "
                          f"with dataset.path=PATH too those of one path; got {' '.join(overrides)}")
    config = compose("train", overrides)
    part = to_part("dataset", config["dataset"])
    data_dir = Surroundings.of(config).data_dir
    keys = [key for key in ("path", "test_path") if part.get(key) is not None]
    return str(part[PART]), frozenset(str(path) for key in keys for path in candidates(part[key], data_dir))


def _row(copy: Copy) -> dict[str, Any]:
    return {"dataset": copy.dataset, "paths": list(copy.paths), "bytes": copy.num_bytes, "folder": str(copy.folder)}


def _what(copy: Copy) -> str:
    return f"{copy.dataset} of {', '.join(copy.paths)}" if copy.dataset is not None else f"damaged, {copy.folder.name}"


def _shown_size(num_bytes: int) -> str:
    size, unit = float(num_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
