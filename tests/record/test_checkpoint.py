"""Checkpoint files: the same bytes for the same state, everything back, and nothing taken that is not whole."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlx.core.errors import ArtefactError, StorageError
from dlx.record import checkpoint
from dlx.record.checkpoint import Checkpoint

STATE = {
    "config": {"model": {"part": "mlp", "width": 8}},
    "threads": 1,
    "progress": {"rows": [{"loss": 0.1 + 0.2, "gap": None}]},
}


def tensors():
    generator = torch.Generator().manual_seed(0)
    return {
        "model/weight": torch.randn(3, 4, generator=generator),
        "model/bias": torch.randn(3, generator=generator).double(),
        "optimizer/0/step": torch.tensor(7.0),
        "empty": torch.zeros(0, 3),
        "ids": torch.arange(5),
        "mask": torch.tensor([True, False]),
        "half": torch.randn(2, generator=generator).bfloat16(),
        "odd": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
    }


def test_decode_returns_what_was_encoded_bit_for_bit():
    found = checkpoint.decode(checkpoint.encode(Checkpoint(tensors(), STATE)), "here")
    for name, tensor in tensors().items():
        assert found.tensors[name].dtype == tensor.dtype
        assert found.tensors[name].shape == tensor.shape
        assert (
            found.tensors[name].view(torch.uint8).tolist() == tensor.view(torch.uint8).tolist() if tensor.ndim else True
        )
    assert {key: found.state[key] for key in STATE} == STATE


def test_encode_gives_equal_bytes_for_equal_checkpoints_in_any_order():
    backwards = dict(reversed(tensors().items()))
    assert checkpoint.encode(Checkpoint(tensors(), STATE)) == checkpoint.encode(Checkpoint(backwards, STATE))


def test_encode_takes_views_and_tensors_that_share_memory():
    base = torch.arange(12.0).reshape(3, 4)
    found = checkpoint.decode(checkpoint.encode(Checkpoint({"a": base.T, "b": base[1], "c": base}, {})), "here").tensors
    assert torch.equal(found["a"], base.T)
    assert torch.equal(found["b"], base[1])
    assert torch.equal(found["c"], base)


def test_a_checkpoint_is_a_safetensors_file_that_other_programs_read():
    from safetensors.torch import load

    found = load(checkpoint.encode(Checkpoint(tensors(), STATE)))
    assert torch.equal(found["model/weight"], tensors()["model/weight"])


def test_a_text_that_looks_like_the_hash_changes_nothing():
    state = {"note": 'sha256": "' + "0" * 64, "config": {'sha256\\": \\"' + "a" * 64: '"sha256": "' + "f" * 64 + '"'}}
    data = checkpoint.encode(Checkpoint(tensors(), state))
    assert checkpoint.decode(data, "here").state["note"] == state["note"]
    for at in range(8, len(data), 37):
        damaged = bytearray(data)
        damaged[at] ^= 1
        with pytest.raises(ArtefactError):
            checkpoint.decode(bytes(damaged), "here")


@settings(deadline=None, derandomize=True, database=None)
@given(st.data())
def test_decode_of_bytes_that_are_whole_or_not_returns_or_refuses(data):
    whole = checkpoint.encode(Checkpoint({"a": torch.arange(6.0)}, STATE))
    start = data.draw(st.integers(0, len(whole)))
    some = whole[:start] + data.draw(st.binary(max_size=20)) + whole[data.draw(st.integers(start, len(whole))) :]
    if some == whole:
        checkpoint.decode(some, "here")
        return
    with pytest.raises(ArtefactError, match="here refused"):
        checkpoint.decode(some, "here")


def test_save_and_load_go_through_a_file(tmp_path):
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, Checkpoint(tensors(), STATE))
    assert checkpoint.load(path).state["threads"] == 1
    assert [found.name for found in tmp_path.iterdir()] == ["last.safetensors"]


def test_save_into_a_missing_folder_says_so(tmp_path):
    with pytest.raises(StorageError, match="cannot write"):
        checkpoint.save(tmp_path / "missing" / "x.safetensors", Checkpoint(tensors(), STATE))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "is missing"),
        (lambda path: path.mkdir(), "cannot be read"),
        (lambda path: path.write_bytes(b""), "truncated"),
        (lambda path: path.symlink_to(path), "cannot be read"),
    ],
)
def test_load_says_what_is_wrong_with_a_file(make, reason, tmp_path):
    path = tmp_path / "x.safetensors"
    make(path)
    with pytest.raises(ArtefactError, match=f"{path} .*{reason}"):
        checkpoint.load(path)


@pytest.mark.parametrize("name", ["../x", "a/../b", "a b", "", "x" * 301, "é", "a\nb", "a\0b"])
def test_decode_refuses_names_of_tensors_that_are_no_names(name):
    data = checkpoint.encode(Checkpoint({name: torch.zeros(1)}, {}))
    with pytest.raises(ArtefactError, match="tensor name"):
        checkpoint.decode(data, "here")


@pytest.mark.parametrize(
    "state",
    [
        {"a": "${oc.env:HOME}"},
        {"_target_": "x"},
        {"a": {"__class__": 1}},
        {"a": "/etc/passwd"},
        {"a": json.loads("[" * 30 + "]" * 30)},
    ],
)
def test_decode_refuses_a_state_that_is_hostile(state):
    data = checkpoint.encode(Checkpoint({}, state))
    with pytest.raises(ArtefactError, match="here refused"):
        checkpoint.decode(data, "here")


@pytest.mark.parametrize("number", [0, 2, "1", None, 1.5, [1]])
def test_decode_refuses_another_format_and_names_it(number):
    data = checkpoint.encode(Checkpoint({}, {"format": number}))
    with pytest.raises(
        ArtefactError, match=f"format {number!r}".replace("[", r"\[").replace("]", r"\]") + ", this dlx reads 1"
    ):
        checkpoint.decode(data, "here")
