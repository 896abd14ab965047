"""A saved model as a program that runs without dlx, compared with the model before it is given away. B batch."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dlx.core.errors import ArtefactError, ConfigError
from dlx.core.losses import ComparesExamples, ReadsOutputs
from dlx.core.types import Kind, TaskSpec
from dlx.engine.data import Prepared, Shelf
from dlx.engine.pipeline import Statistics
from dlx.engine.reevaluate import prepare_saved
from dlx.engine.saved_model import SavedModel
from dlx.engine.summary import plain

Format = Literal["torch", "onnx"]
# How far an output may lie from the run's own, on any of so many test rows.
TOLERANCE = 1e-4
MAX_ROWS = 1000
# The program takes any number of rows: the test rows come to it in parts that begin at these.
BOUNDS = (1, 65)
# What torch's exporters raise at what they cannot do.
UNEXPORTABLE = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)
MEANINGS: dict[Kind, str] = {
    "classification": "logits: softmax over classes gives probabilities",
    "regression": "times target_scale plus target_shift it is the prediction in the target's own units",
    "multilabel": "logits: the sigmoid of each is the probability of its label",
    "sequence": "logits of each position: softmax over classes gives probabilities",
    "transcription": "logits of each position: softmax over classes gives probabilities, of which class 0 is the blank "
                     "of CTC"}


class Exported(NamedTuple):
    """data: the file; facts: what its user has to know, plain data."""

    data: bytes
    facts: dict[str, Any]


def export_model(saved: SavedModel, form: Format, data_dir: str, split_path: Path | None) -> Exported:
    """Export a saved model in evaluation mode, from prepared inputs [B, ...] to outputs [B, ...], for any B.

    Args:
        saved: on the CPU.
        form: torch, a program of torch.export (.pt2), or onnx.

    Raises:
        ConfigError: the model has what the form cannot express, or a package is missing.
        ArtefactError: outputs that differ from the model's by more than TOLERANCE, or what `ask` refuses.
    """
    data = prepare_saved(saved, data_dir, split_path, Shelf())
    model, _ = saved.placed(data.spec)
    rows = data.splits["test"].inputs[:MAX_ROWS]
    encode, decode = FORMS[form]
    try:
        # The exporters meet deprecations of torch's own, of which the user can do nothing.
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            encoded = encode(_program(model.eval(), rows[:2]))
            run = decode(encoded)
            difference = _largest_difference(model, run, rows)
    except ImportError as error:
        raise ConfigError(f"dlx export --format {form} needs {error.name}: pip install 'dlx[onnx]'") from error
    except UNEXPORTABLE as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ConfigError(f"this model cannot be exported as {form}: {reason[:300]}") from error
    if not difference <= TOLERANCE:
        raise ArtefactError(f"the exported model is refused: on {len(rows)} test rows its outputs differ from the "
                            f"run's own by up to {difference:.2g}, more than {TOLERANCE:g}")
    compared = {"rows": len(rows), "largest_difference": difference, "tolerance": TOLERANCE}
    return Exported(encoded, {**describe(saved, data, model), "compared": compared})


def _program(model: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch", min=1)
    return torch.export.export(model, (example,), dynamic_shapes=({0: batch},), strict=False)


def _torch_bytes(program: torch.export.ExportedProgram) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def _torch_runner(data: bytes) -> Callable[[Tensor], Tensor]:
    module: Callable[[Tensor], Tensor] = torch.export.load(io.BytesIO(data)).module()
    return module


def _onnx_bytes(program: torch.export.ExportedProgram) -> bytes:
    import onnxruntime  # noqa: F401
    import onnxscript  # noqa: F401

    made = torch.onnx.export(program, dynamo=True, input_names=["inputs"], output_names=["outputs"], verbose=False)
    assert made is not None, "torch.onnx.export returns a program where it is given no file"
    encoded: bytes = made.model_proto.SerializeToString()
    return encoded


def _onnx_runner(data: bytes) -> Callable[[Tensor], Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return lambda inputs: torch.from_numpy(session.run(None, {"inputs": inputs.numpy()})[0])


FORMS = {"torch": (_torch_bytes, _torch_runner), "onnx": (_onnx_bytes, _onnx_runner)}


def _largest_difference(model: nn.Module, run: Callable[[Tensor], Tensor], rows: Tensor) -> float:
    chunks = torch.tensor_split(rows, [bound for bound in BOUNDS if bound < len(rows)])
    return max(float((run(chunk) - model(chunk)).abs().max()) for chunk in chunks)


def describe(saved: SavedModel, data: Prepared, model: nn.Module) -> dict[str, Any]:
    """Say what an exported model takes and gives, and how rows become what it takes."""
    config = saved.checkpoint.state["config"]
    dtype = "int64" if data.spec.layout == "tokens" else str(next(model.parameters()).dtype).removeprefix("torch.")
    return {
        "name": saved.parts.settings.name, "model": config["model"]["part"], "dataset": config["dataset"]["part"],
        "kind": data.given.kind,
        "inputs": {"name": "inputs", "dtype": dtype, "shape": ["batch", *data.spec.input_shape],
                   "layout": data.spec.layout, "vocabulary_size": data.spec.vocabulary_size},
        "outputs": {"name": "outputs", "meaning": _meaning(saved, data.given.kind)},
        "class_names": list(data.spec.class_names), "target_shift": data.target_shift,
        "target_scale": data.target_scale, "raw": _plain_spec(data.given),
        "preprocessing": [{**config["preprocessing"][name], "statistics": _plain_statistics(data.statistics, name)}
                          for name in saved.parts.preprocessing]}


def _meaning(saved: SavedModel, kind: Kind) -> str:
    loss, name = saved.parts.loss, saved.checkpoint.state["config"]["loss"]["part"]
    if isinstance(loss, ComparesExamples):
        return f"embeddings, as loss={name} compares them: rows of one class lie close together"
    if isinstance(loss, ReadsOutputs) and kind == "classification":
        return f"no logits, but what loss={name} makes probabilities of"
    return MEANINGS[kind]


def _plain_spec(spec: TaskSpec) -> dict[str, Any]:
    values = asdict(spec)
    return {**values, "columns": [{"name": name, "categories": categories} for name, categories in spec.columns]}


def _plain_statistics(statistics: Statistics, name: str) -> dict[str, Any]:
    return {key: {"dtype": str(value.dtype), "shape": list(value.shape),
                  "values": [plain(item) if isinstance(item, float) else item for item in np.ravel(value).tolist()]}
            for key, value in statistics[name].items()}
