"""dlx predict"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlx.cli.arguments import add_json, add_trust, command_parser
from dlx.cli.generate import add_sampling, generated, refuse_sampling

if TYPE_CHECKING:
    from dlx.engine.predict import Predictions


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser(
        "predict", "Say what a saved model predicts for rows without targets: a table, images, recordings, texts.\n"
        "They are prepared with the statistics of the run's train rows.", overrides=False)
    result.add_argument("checkpoint", type=Path, help="a run folder or a checkpoint file")
    result.add_argument("data", help="a file or folder of the form that the run was trained on; for a language model "
                                     "the text to go on with, or a text file")
    result.add_argument("overrides", nargs="*", default=[], metavar="key=value",
                        help="checkpoint=last device=cpu data_dir=…")
    result.add_argument("--output", type=Path, metavar="FILE", help="write CSV there instead of to the terminal")
    add_sampling(result)
    add_trust(result)
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Load, prepare, predict, print."""
    from dlx.cli.evaluate import checkpoint_path, refuse_device
    from dlx.config.compose import compose
    from dlx.engine.predict import predict_file, restore_spec
    from dlx.record import atomic
    from dlx.record import checkpoint as files
    from dlx.run import Surroundings, build_saved

    config = compose("evaluate", args.overrides)
    refuse_device(config["device"], args.overrides)
    checkpoint = files.load(checkpoint_path(args.checkpoint, config["checkpoint"]))
    parts = build_saved(checkpoint.state.get("config", {}), args.trust)
    surroundings = Surroundings.of({**config, "checkpoint_seconds": 0.0})
    device = {name: value for name, value in config["device"].items() if name != "_target_"}
    if restore_spec(checkpoint).next_token:
        text = generated(args, parts, checkpoint, device)
    else:
        refuse_sampling(args)
        found = predict_file(parts, checkpoint, args.data, surroundings.data_dir, device)
        text = json.dumps(records(found)) + "\n" if args.json else table(found)
    if args.output is None:
        sys.stdout.write(text)
    else:
        atomic.write_text(args.output, text, "file")
    return 0


def records(found: Predictions) -> list[dict[str, Any]]:
    """Return one mapping per row: id, prediction, and of a classification the probability of each class."""
    names = [item.item() if hasattr(item, "item") else item for item in found.names]
    if found.spec.kind == "regression":
        return [{"id": name, "prediction": value} for name, value in zip(names, found.scores.tolist(), strict=True)]
    classes = found.spec.class_names
    return [{"id": name, "prediction": classes[max(range(len(row)), key=row.__getitem__)],
             **{f"prob_{label}": value for label, value in zip(classes, row, strict=True)}}
            for name, row in zip(names, found.scores.tolist(), strict=True)]


def table(found: Predictions) -> str:
    """Write the records as CSV."""
    import csv
    import io

    from dlx.record.table import format_value

    rows = records(found)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: format_value(value) if isinstance(value, float) else value for key, value in row.items()}
                     for row in rows)
    return text.getvalue()
