"""dlx export"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from dlx.cli.arguments import add_json, add_trust, command_parser


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser(
        "export", "Write a saved model as a file that runs without dlx, once its outputs on test rows are the run's\n"
        "own to 1e-4. It takes prepared rows: FILE.json, written beside it, says how rows are prepared, and what the\n"
        "outputs mean.", overrides=False)
    result.add_argument("checkpoint", type=Path, help="a run folder or a checkpoint file")
    result.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="checkpoint=last data_dir=…")
    result.add_argument("--format", choices=("torch", "onnx"), required=True,
                        help="torch: a program of torch.export, .pt2; onnx: needs the extra dlx[onnx]")
    result.add_argument("--output", "-o", type=Path, metavar="FILE", required=True, help="where to write it")
    add_trust(result)
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Load, export, compare, write."""
    from dlx.cli.saved_models import read_models
    from dlx.config.compose import compose
    from dlx.core.errors import ConfigError
    from dlx.engine.export import export_model
    from dlx.record import atomic
    from dlx.run import Surroundings

    # Programs are compared where they run anywhere.
    config = compose("evaluate", ["device=cpu", *args.overrides])
    named = read_models(args.checkpoint, config, args.overrides, args.trust)
    if config["device"]["kind"] != "cpu":
        raise ConfigError("dlx export compares the program with the run on the CPU; leave the device out")
    if named.is_ensemble:
        raise ConfigError(f"dlx export is for one run, and {args.checkpoint} is an ensemble; export its runs")
    data_dir = Surroundings.of({**config, "checkpoint_seconds": 0.0}).data_dir
    data, facts = export_model(named.models[0], args.format, data_dir, named.split_path)
    described = {"file": args.output.name, "format": args.format, "sha256": hashlib.sha256(data).hexdigest(),
                 "checkpoint": named.name, **facts}
    atomic.write_bytes(args.output, data)
    atomic.write_json(args.output.with_name(f"{args.output.name}.json"), described)
    if args.json:
        print(json.dumps({"output": str(args.output), **described}))
    else:
        compared = facts["compared"]
        print(f"{args.output}: {len(data):,} bytes; its outputs on {compared['rows']} test rows are the run's own to "
              f"{compared['largest_difference']:.1g}\n{args.output}.json says what it takes and gives")
    return 0
