"""Tasks with a class for every position: loss, metrics, scores, members, next tokens, files.

N sequences, L positions, C classes.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from member_runs import assert_equals_solo, one
from part_files import code_and_arguments, make, parts
from small_runs import InMemory, session, train
from torch import nn

from dlx.core.errors import ConfigError
from dlx.core.ragged import Ragged
from dlx.core.types import IGNORED, PADDING, Arrays, SplitIds, TaskSpec
from dlx.engine import evaluate
from dlx.engine.build import made_for
from dlx.engine.data import next_tokens, prepare
from dlx.engine.start import start
from dlx.record import layout
from dlx.record.safe_yaml import read_json
from dlx.report.render import render

METRICS = {name: make("metric", name) for name in ("token_accuracy", "exact_match", "perplexity")}
OVERRIDES = ("preprocessing=[none]", "batch_size=16", "epochs=3", "optimizer.lr=0.03", "device.precision=float64")
VOCABULARY, LENGTH = 7, 6


class EachToken(nn.Module):
    """Logits of a position from its own token."""

    def __init__(self, input_shape, num_outputs, vocabulary_size, kind):
        super().__init__()
        self.words = nn.Embedding(vocabulary_size, 5)
        self.head = nn.Linear(5, num_outputs)

    def forward(self, x):
        return self.head(self.words(x))


def doubled(num_rows=120):
    """Tokens whose target is themselves doubled, modulo the vocabulary; rows end early."""
    draw = np.random.default_rng(1)
    tokens = draw.integers(1, VOCABULARY, (num_rows, LENGTH))
    ended = np.arange(LENGTH) > draw.integers(0, LENGTH, (num_rows, 1))
    targets = np.where(ended, IGNORED, tokens * 2 % VOCABULARY)
    spec = TaskSpec("sequence", "tokens", (LENGTH,), VOCABULARY, vocabulary_size=VOCABULARY)
    return InMemory(spec, Arrays(np.where(ended, PADDING, tokens), targets, np.arange(num_rows * 4 // 5, num_rows)))


def texts():
    """Texts whose targets are their own next characters."""
    lines = ["abcabcabc", "bcabca", "cab", "abcab"] * 30
    spec = TaskSpec("sequence", "text", (), 0, next_token=True)
    return InMemory(spec, Arrays(Ragged.of_texts(lines), np.zeros(len(lines), np.int64), np.arange(96, 120)))


def characters(**changes):
    return {"tokenize_char": make("preprocessing", "tokenize_char", length=5, **changes)}


def made(**changes):
    return replace(parts(*OVERRIDES), **{"model": EachToken, "dataset": doubled(), "metrics": METRICS, **changes})


def test_sequence_is_measured_as_by_hand():
    built = session(made())
    split = built.data.splits["val"]
    logits = built.model(split.inputs).log_softmax(dim=2).detach()
    nats, shares, exact = [], [], []
    for row, target in zip(logits, split.targets, strict=True):
        asked = target != IGNORED
        right = row.argmax(dim=1)[asked] == target[asked]
        nats.append(-row[asked, target[asked]].mean().item())
        shares.append(right.double().mean().item())
        exact.append(float(right.all()))
    expected = {"loss": np.mean(nats), "token_accuracy": np.mean(shares), "exact_match": np.mean(exact),
                "perplexity": np.exp(np.mean(nats))}
    assert built.measure(split) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("elements", [1, 300, 2**20])
def test_sequence_keeps_the_best_class_and_the_probability_of_the_target_chunk_by_chunk(elements, monkeypatch):
    monkeypatch.setattr(evaluate, "CHUNK_ELEMENTS", elements)
    built = session(made())
    split = built.data.splits["test"]
    examples = built.predict(split)
    logits = built.model(split.inputs).log_softmax(dim=2).detach()
    assert examples.outcome.scores.shape == (24, LENGTH, 2)
    assert np.array_equal(examples.outcome.targets, split.targets.numpy())
    assert np.array_equal(examples.outcome.scores[:, :, 0], logits.argmax(dim=2).numpy())
    asked = split.targets != IGNORED
    expected = logits.gather(2, split.targets.clamp(min=0)[:, :, None])[:, :, 0] * asked
    np.testing.assert_allclose(examples.outcome.scores[:, :, 1], expected.numpy(), rtol=1e-9, atol=1e-12)
    for name, metric in built.parts.metrics.items():
        assert metric.value(examples.outcome) == pytest.approx(built.measure(split)[name], rel=1e-9)


def test_sequence_chunks_count_all_classes_of_a_position():
    spec = TaskSpec("sequence", "tokens", (128,), 10_000, vocabulary_size=10_000)
    for stacked in (False, True):
        rows = evaluate.chunk_rows(spec, torch.device("cpu"), stacked)
        assert rows == max(1, evaluate.CHUNK_ELEMENTS // (128 * 10_000))


def test_sequence_members_equal_the_runs_alone():
    runs = [one(*OVERRIDES, f"seed={seed}", f"loss.label_smoothing={seed / 10}", f"optimizer.lr={0.05 / (seed + 1)}",
                data=doubled(), model=EachToken, metrics=METRICS) for seed in range(3)]
    kept = assert_equals_solo(runs)
    assert kept[0].rows[-1]["val_token_accuracy"] > kept[0].rows[0]["val_token_accuracy"]


def test_sequence_of_next_tokens_asks_for_each_token_but_the_first():
    built = made(preprocessing=characters(), dataset=texts())
    data = prepare(built, "", built.device.place(0.0))
    assert data.spec.input_shape == (5,)
    assert data.spec.num_outputs == data.spec.vocabulary_size == 5
    for split in data.splits.values():
        for inputs, targets, row in zip(split.inputs, split.targets, split.ids, strict=True):
            text = texts().arrays.inputs.texts()[row][:6]
            count = len(text) - 1
            assert (inputs != PADDING).sum() == min(5, len(text))
            assert torch.equal(targets[:count], torch.cat([inputs[1:], targets[-1:]])[:count])
            assert (targets[count:] == IGNORED).all()
            assert np.array_equal(data.targets[row], targets)


def test_sequence_of_next_tokens_refuses_texts_of_one_token():
    ids = SplitIds(np.array([5, 7, 8]), np.array([6]), np.array([0]))
    tokens = {"train": np.array([[4, 5, 6], [4, 0, 0], [0, 0, 0]]), "val": np.ones((1, 3)), "test": np.ones((1, 3))}
    with pytest.raises(ConfigError, match=r"2 texts have fewer than two tokens.*the first of them is row 7"):
        next_tokens(tokens, ids, 9)


def test_sequence_runs_that_differ_in_vocabulary_are_refused_together():
    other = texts().with_arrays(inputs=Ragged.of_texts(["abcdefghij", "jihgfedcba"] * 60))
    runs = [one(*OVERRIDES, f"seed={seed}", f"split.seed={seed}", data=data, model=EachToken, metrics=METRICS,
                preprocessing=characters()) for seed, data in enumerate((texts(), other))]
    runs = [(made, {**config, "dataset": {"part": str(number)}}) for number, (made, config) in enumerate(runs)]
    with pytest.raises(ConfigError, match="runs whose inputs differ in shape cannot train together"):
        start(runs, "", [None] * 2, fused=True)


@pytest.mark.parametrize("next_token", [False, True])
def test_sequence_run_leaves_a_row_for_each_sequence_and_a_report(next_token, tmp_path):
    changes = {"preprocessing": characters(), "dataset": texts()} if next_token else {}
    folder = train(made(**changes), tmp_path / "run")
    with open(folder / layout.PREDICTIONS, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["split", "id", "length", "nll", "token_accuracy", "exact_match"]
    summary = {(row["metric"], row["split"]): row["value"] for row in read_json(folder / layout.SUMMARY)["metrics"]}
    for split in ("val", "test"):
        own = [row for row in rows if row["split"] == split]
        for metric in ("token_accuracy", "exact_match"):
            assert np.mean([float(row[metric]) for row in own]) == pytest.approx(summary[metric, split], rel=1e-7)
        assert np.mean([float(row["nll"]) for row in own]) == pytest.approx(summary["loss", split], rel=1e-7)
    report = render(folder)
    sections = {part.key: part for section in report.document.sections for part in (section, *section.parts)}
    assert not {"confusion", "calibration", "residuals"} & sections.keys()
    found = sections["sequences"].values["test"]
    assert sum(group["n"] for group in found) == 24
    assert np.average([group["nll"] for group in found], weights=[group["n"] for group in found]) == pytest.approx(
        summary["loss", "test"], rel=1e-7)
    lengths = [bound for group in found for bound in group["length"]]
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("option", ["window", "bag"])
def test_sequence_models_of_tokens_train_as_members_as_alone(option):
    data = doubled()
    if option == "bag":
        labels = (data.arrays.inputs == 3).any(axis=1).astype(np.int64)
        spec = TaskSpec("classification", "tokens", (LENGTH,), 2, ("no", "yes"), vocabulary_size=VOCABULARY)
        data = InMemory(spec, Arrays(data.arrays.inputs, labels, data.arrays.test_ids))
    metrics = METRICS if option == "window" else {"accuracy": make("metric", "accuracy")}
    code, arguments = code_and_arguments("model", option)
    small = {"width": 8, "depth": 1} | ({"context": 3, "embedding_width": 5} if option == "window" else {})
    runs = [one(*OVERRIDES, f"seed={seed}", f"optimizer.lr={0.05 / (seed + 1)}", data=data, metrics=metrics,
                model=partial(code, **{**arguments, **small, "dropout_rate": seed / 10})) for seed in range(3)]
    kept = assert_equals_solo(runs)
    assert kept[0].rows[-1]["train_eval_loss"] < kept[0].rows[0]["train_eval_loss"]


@pytest.mark.parametrize("option", ["mlp", "linear", "cnn"])
def test_sequence_and_tokens_are_refused_by_models_that_do_not_know_them(option):
    code, arguments = code_and_arguments("model", option)
    tokens = TaskSpec("classification", "tokens", (6,), 2, ("no", "yes"), vocabulary_size=9)
    with pytest.raises(ConfigError, match=rf"model={option} takes numbers, not tokens: use model=bag.*\[tfidf\]"):
        made_for(partial(code, **arguments), tokens)
    with pytest.raises(ConfigError, match=rf"model={option} gives one answer for a whole input"):
        made_for(partial(code, **arguments), TaskSpec("sequence", "series", (6, 3), 2))


def test_models_of_a_users_keep_their_own_arguments_of_names_that_are_offered():
    class Own(nn.Linear):
        def __init__(self, input_shape, num_outputs, kind, layout):
            super().__init__(*input_shape, num_outputs)
            self.told = kind, layout

    assert made_for(partial(Own, kind="mine"), TaskSpec("regression", "table", (3,), 1)).told == ("mine", "table")
