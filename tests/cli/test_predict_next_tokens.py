"""dlx predict of a language model: it goes on with a text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import copied, room, trained

from dlx.record import checkpoint
from dlx.record.checkpoint import Checkpoint

# Ten letters again and again: what comes next is told by the one before.
SONG = "the cat sat. "
KINDS = {"tokenize_char": "", "tokenize_bpe": ".vocabulary_size=20", "tokenize_word": "", "tokenize_wordpiece": ""}


def song() -> Path:
    """A file of one sentence over and over."""
    path = room() / "song.txt"
    path.write_text(SONG * 120)
    return path


def model(kind: str = "tokenize_char", name: str = "gpt") -> Path:
    """A language model that has learnt the sentence."""
    more = [f"preprocessing.{kind}{KINDS[kind]}"] if KINDS[kind] else []
    return trained("dataset=text_lines", f"dataset.path={song()}", "dataset.task=next_token", "dataset.characters=30",
                   f"model={name}", f"preprocessing=[{kind}]", f"preprocessing.{kind}.length=24", *more, "epochs=40",
                   "model.width=32", "metric=[perplexity]", "batch_size=16", "optimizer.lr=0.01", "device=cpu")


def wrote(dlx, run, *arguments: str) -> list[str]:
    """The texts of --json."""
    result = dlx("predict", str(run), *arguments, "--json")
    assert result.code == 0, result.err
    rows = json.loads(result.out)
    assert [row["id"] for row in rows] == list(range(len(rows)))
    return [row["text"] for row in rows]


@pytest.mark.parametrize(("kind", "num_tokens", "expected"), [
    ("tokenize_char", 16, "the cat sat. the cat sa"), ("tokenize_bpe", 6, "the cat sat. the cat sat."),
    ("tokenize_word", 6, "the cat sat . the cat sat ."), ("tokenize_wordpiece", 6, "the cat sat . the cat sat .")])
def test_predict_of_a_language_model_goes_on_with_the_text(kind, num_tokens, expected, dlx):
    assert wrote(dlx, model(kind), "the cat", "--num-tokens", str(num_tokens), "--temperature", "0") == [expected]


def test_predict_of_a_language_model_goes_on_for_longer_than_it_sees_and_from_longer_texts(dlx):
    prompt = SONG * 4 + "the"
    (text,) = wrote(dlx, model(name="window"), prompt, "--num-tokens", "60", "--temperature", "0")
    assert text == (SONG * 10)[: len(prompt) + 60]


def test_predict_writes_samples_that_follow_from_the_seed(dlx, workdir):
    arguments = ("cat", "--num-tokens", "20", "--temperature", "4")
    three = wrote(dlx, model(), *arguments, "--samples", "3")
    assert len(set(three)) == 3
    assert all(text.startswith("cat") and len(text) == 23 for text in three)
    assert wrote(dlx, model(), *arguments, "--samples", "3", "--seed", "0") == three
    assert wrote(dlx, model(), *arguments, "--seed", "1")[0] not in three
    assert wrote(dlx, model(), *arguments, "--top-k", "1")[0] == wrote(dlx, model(), *arguments[:3],
                                                                     "--temperature", "0")[0]
    shown = dlx("predict", str(model()), *arguments, "--samples", "3")
    assert shown.out == "\n---\n".join(three) + "\n"
    written = dlx("predict", str(model()), *arguments, "--samples", "3", "--output", "said.txt")
    assert (written.code, written.out, (workdir / "said.txt").read_text()) == (0, "", shown.out)


def test_predict_takes_the_text_of_a_file_and_keeps_what_it_does_not_know(dlx, workdir):
    (workdir / "begin.txt").write_text("ÄÖ the")
    (text,) = wrote(dlx, model(), "begin.txt", "--num-tokens", "4", "--temperature", "0")
    assert text.startswith("ÄÖ the")
    assert len(text) == 10


@pytest.mark.parametrize(("arguments", "message"), [
    ([""], "the text to go on with is empty"),
    (["a", "--temperature", "-1"], "--temperature must be in [0, inf), got -1"),
    (["a", "--num-tokens", "0", "--top-k", "0"], "--num-tokens must be a whole number in [1, inf), got 0\n"
                                                 "     --top-k must be a whole number in [1, inf), got 0")])
def test_predict_says_what_it_cannot_go_on_with(arguments, message, dlx):
    result = dlx("predict", str(model()), *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_predict_refuses_to_draw_tokens_from_what_is_no_language_model(dlx):
    run = trained("dataset=iris", "epochs=1", "metric=[accuracy]")
    result = dlx("predict", str(run), "new.csv", "--top-k", "3")
    assert (result.code, result.out) == (2, "")
    assert "--top-k is for a language model" in result.err


def test_predict_refuses_a_language_model_whose_weights_are_no_numbers(dlx, tmp_path):
    run = copied(model(), tmp_path)
    path = run / "checkpoints/best.safetensors"
    saved = checkpoint.load(path)
    kept = {key: value for key, value in saved.state.items() if key not in ("sha256", "format")}
    damaged = {name: tensor * float("nan") if name.startswith("model/") else tensor
               for name, tensor in saved.tensors.items()}
    path.write_bytes(checkpoint.encode(Checkpoint(damaged, kept)))
    result = dlx("predict", str(run), "the")
    assert (result.code, result.out) == (3, "")
    assert "the model gives no finite numbers" in result.err
