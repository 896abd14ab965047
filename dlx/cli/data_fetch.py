"""dlx data fetch"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from dlx.cli.data_clean import shown_size


def run(args: argparse.Namespace) -> int:
    """Have each dataset downloaded where it is absent, read it, and say where it lies."""
    from dlx.config.compose import compose

    # Every mistake in what was typed shows before the first download.
    configs = [compose("train", overrides) for overrides in one_by_one(args.overrides)]
    rows = []
    for config in configs:
        rows.append(fetched(config))
        if not args.json:
            print(described(rows[-1]), flush=True)
    if args.json:
        print(json.dumps(rows))
    return 0


def one_by_one(overrides: Sequence[str]) -> Iterator[list[str]]:
    """Yield overrides of one dataset each: dataset=mnist,cifar10 are two. Raises ConfigError where some are unclear."""
    from dlx.config.compose import parse

    texts = [[f"{override.key_or_group}={value}" for value in override.sweep_string_iterator()]
             if override.is_choice_sweep() or override.is_range_sweep() else [str(override.input_line)]
             for override in parse(overrides)]
    return map(list, itertools.product(*texts))


def fetched(config: dict[str, Any]) -> dict[str, Any]:
    """Read a dataset, which downloads it where it is absent, and describe it.

    Raises:
        StorageError: it cannot be had.
        ArtefactError: a file is damaged.
    """
    from dlx.config.build import ANY_PACKAGE, make_dataset
    from dlx.config.saved import PART, to_part
    from dlx.core.types import Downloads
    from dlx.engine.data import fingerprint, given_spec
    from dlx.run import Surroundings

    part = to_part("dataset", config["dataset"])
    dataset, data_dir = make_dataset(part, [ANY_PACKAGE]), Surroundings.of(config).data_dir
    arrays = dataset.load(data_dir)
    spec = given_spec(dataset, arrays)
    paths = dataset.paths(data_dir) if isinstance(dataset, Downloads) else []
    return {"dataset": part[PART], "rows": len(arrays.targets),
            "test_rows": 0 if arrays.test_ids is None else len(arrays.test_ids), "layout": spec.layout,
            "input_shape": list(spec.input_shape), "folder": str(paths[0].parent) if paths else None,
            "bytes": sum(path.stat().st_size for path in paths), "fingerprint": fingerprint(arrays)}


def described(row: dict[str, Any]) -> str:
    """Write what was fetched in three lines."""
    shape = "×".join(map(str, row["input_shape"]))
    test = f", {row['test_rows']:,} of them its own test set" if row["test_rows"] else ""
    where = f"{shown_size(row['bytes'])} in {row['folder']}" if row["folder"] else "nothing to download"
    return (f"{row['dataset']}: {row['rows']:,} rows{test}; {' '.join([row['layout'], shape]).strip()}\n"
            f"  {where}\n  fingerprint {row['fingerprint']}")
