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
        "predict", "Say what a saved model, or an ensemble, predicts for rows without targets: a table, images,\n"
        "recordings, texts, arrays. They are prepared with the statistics of the run's train rows.", overrides=False)
    result.add_argument("checkpoint", type=Path, help="the folder of a run or an ensemble, or a checkpoint file")
    result.add_argument("data", help="a file or folder of the form that the run was trained on; for a language model "
                                     "the text to go on with, or a text file")
    result.add_argument("overrides", nargs="*", default=[], metavar="key=value",
                        help="checkpoint=last device=cpu data_dir=…")
    result.add_argument("--output", "-o", type=Path, metavar="FILE", help="write CSV there instead of to the terminal")
    result.add_argument("--abstain-below", type=float, metavar="P",
                        help="name no class where none has a probability of P or more")
    add_sampling(result)
    add_trust(result)
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Load, prepare, predict, print."""
    from dlx.cli.saved_models import read_models
    from dlx.config.compose import compose
    from dlx.config.reader import reader_of
    from dlx.core.errors import ConfigError
    from dlx.engine.predict import predict_file, restore_spec
    from dlx.record import atomic
    from dlx.run import Surroundings

    if args.abstain_below is not None and not 0 < args.abstain_below <= 1:
        raise ConfigError(f"--abstain-below must be in (0, 1], got {args.abstain_below:g}")
    config = compose("evaluate", args.overrides)
    models = read_models(args.checkpoint, config, args.overrides, args.trust).models
    given = restore_spec(models[0].checkpoint)
    if args.abstain_below is not None and given.kind != "classification":
        raise ConfigError(f"--abstain-below is for classification, and this run predicts a {given.kind}")
    if given.next_token:
        text = generated(args, models)
    else:
        refuse_sampling(args)
        reader = reader_of(models[0].parts.dataset, given, args.data)
        data_dir = Surroundings.of({**config, "checkpoint_seconds": 0.0}).data_dir
        rows = records(predict_file(models, reader, args.data, data_dir), args.abstain_below)
        text = json.dumps(rows) + "\n" if args.json else table(rows)
    if args.output is None:
        sys.stdout.write(text)
    else:
        atomic.write_text(args.output, text, "file")
    if args.abstain_below is not None:
        count = sum(row["prediction"] is None for row in rows)
        print(f"abstained on {count} of {len(rows)} rows: no class had a probability of {args.abstain_below:g} or more",
              file=sys.stderr)
    return 0


def records(found: Predictions, abstain_below: float | None = None) -> list[dict[str, Any]]:
    """Return one mapping per row: id, prediction, and of classes and labels the probability of each.

    The prediction of labels and of a transcription is a list of their names.

    Args:
        abstain_below: the prediction is None where the largest probability is below it.
    """
    names = [item.item() if hasattr(item, "item") else item for item in found.names]
    if found.spec.kind == "regression":
        return [{"id": name, "prediction": value} for name, value in zip(names, found.scores.tolist(), strict=True)]
    classes = found.spec.class_names
    if found.spec.kind == "transcription":
        return [{"id": name, "prediction": said} for name, said in zip(names, _said(found), strict=True)]
    if found.spec.kind == "multilabel":
        return [{"id": name, "prediction": [label for label, value in zip(classes, row, strict=True) if value > 0.5],
                 **{f"prob_{label}": value for label, value in zip(classes, row, strict=True)}}
                for name, row in zip(names, found.scores.tolist(), strict=True)]
    return [{"id": name, "prediction": _label(row, classes, abstain_below or 0.0),
             **{f"prob_{label}": value for label, value in zip(classes, row, strict=True)}}
            for name, row in zip(names, found.scores.tolist(), strict=True)]


def _said(found: Predictions) -> list[list[str]]:
    import torch

    from dlx.core.ctc import best_path
    from dlx.core.types import IGNORED

    return [[found.spec.class_names[label] for label in row if label != IGNORED]
            for row in best_path(torch.from_numpy(found.scores)).tolist()]


def _label(probs: list[float], classes: tuple[str, ...], least: float) -> str | None:
    best = max(range(len(probs)), key=probs.__getitem__)
    return classes[best] if probs[best] >= least else None


def table(rows: list[dict[str, Any]]) -> str:
    """Write records as CSV; None is an empty cell, and the names of a list have spaces between."""
    import csv
    import io

    from dlx.record.table import format_value

    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: format_value(value) if isinstance(value, float) else " ".join(value)
                      if isinstance(value, list) else value for key, value in row.items()} for row in rows)
    return text.getvalue()
