"""A bit that flips, a file that is cut: noticed, said, and survived where an older checkpoint stands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from run_files import assert_same_result, find_run, fresh_random, once
from warm_dlx import server

from dlx.core.errors import ArtefactError
from dlx.record import checkpoint, layout

OVERRIDES = ["model.width=32", "regularizer=[dropout]", "batch_size=2", "epochs=3", "metric=[accuracy]"]
OFTEN = "checkpoint_seconds=0.01"


def flip(data: bytes, bit: int) -> bytes:
    """Return the bytes with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def make_done(folder: Path) -> None:
    """Train to the end."""
    result = server().run("train", *OVERRIDES, "--json", cwd=folder)
    assert result.code == 0, result


def make_killed(folder: Path) -> None:
    """Train, and kill where two rolling checkpoints stand and none is being written."""
    child = server().start("train", *OVERRIDES, OFTEN, "--json", cwd=folder)
    while (run := find_run(folder)) is None or len(rolling(run)) < 2:
        assert child.poll(0.001) is None, child.result
    child.kill()
    for path in [*(run / layout.CHECKPOINTS).glob(".*.tmp"), *rolling(run)[:-2]]:
        path.unlink()
    assert len(rolling(run)) == 2


def rolling(run: Path) -> list[Path]:
    """List the rolling checkpoints, oldest first."""
    return sorted((run / layout.CHECKPOINTS).glob("step-*.safetensors"))


@pytest.fixture
def done(tmp_path_factory):
    """A finished run; not to be changed."""
    return find_run(once(tmp_path_factory.getbasetemp(), "bit-rot-done", make_done))


@pytest.fixture
def killed(tmp_path_factory, tmp_path):
    """A killed run with two rolling checkpoints, of one's own."""
    source = once(tmp_path_factory.getbasetemp(), "bit-rot-killed", make_killed)
    shutil.copytree(source / "runs", tmp_path / "runs")
    return find_run(tmp_path)


def assert_all_noticed(data: bytes, damaged: list[bytes]) -> None:
    checkpoint.decode(data, "whole")
    for number, some in enumerate(damaged):
        with pytest.raises(ArtefactError, match="refused"):
            checkpoint.decode(some, f"damaged {number}")


def test_checkpoint_decode_notices_300_random_bit_flips(done):
    data = (done / layout.CHECKPOINTS / layout.LAST).read_bytes()
    rng, header = fresh_random("flips"), 8 * (8 + int.from_bytes(data[:8], "little"))
    bits = [rng.randrange(header) for _ in range(150)] + [rng.randrange(8 * len(data)) for _ in range(150)]
    assert_all_noticed(data, [flip(data, bit) for bit in bits])


@pytest.mark.slow
def test_checkpoint_decode_notices_every_bit_flip_of_a_header_and_20000_of_a_payload(done):
    data = (done / layout.CHECKPOINTS / layout.BEST).read_bytes()
    rng, header = fresh_random("all flips"), 8 * (8 + int.from_bytes(data[:8], "little"))
    bits = [*range(header), *(rng.randrange(header, 8 * len(data)) for _ in range(20_000))]
    assert_all_noticed(data, [flip(data, bit) for bit in bits])


def test_checkpoint_decode_notices_truncation_at_50_lengths_and_bytes_that_are_too_many(done):
    data = (done / layout.CHECKPOINTS / layout.LAST).read_bytes()
    rng = fresh_random("lengths")
    lengths = [0, 1, 7, 8, 9, len(data) - 1, *(rng.randrange(len(data)) for _ in range(44))]
    assert_all_noticed(data, [data[:length] for length in lengths])
    assert_all_noticed(data, [data + b"\0", data + data, b"\0" + data, data[1:], data[:100] + data[101:]])


def test_checkpoint_decode_notices_swapped_and_zeroed_blocks(done):
    data = (done / layout.CHECKPOINTS / layout.LAST).read_bytes()
    rng, damaged = fresh_random("blocks"), []
    for _ in range(50):
        first, second = (rng.randrange(len(data) - 512) for _ in range(2))
        zeroed, swapped = bytearray(data), bytearray(data)
        zeroed[first : first + 512] = bytes(512)
        swapped[first : first + 512], swapped[second : second + 512] = (
            data[second : second + 512],
            data[first : first + 512],
        )
        damaged += [bytes(some) for some in (zeroed, swapped) if some != data]
    assert_all_noticed(data, damaged)


DAMAGES = {
    "flipped": lambda data: flip(data, 4 * len(data)),
    "cut": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_resume_skips_a_damaged_checkpoint_says_so_and_ends_with_the_same_bytes(damage, killed, done):
    previous, newest = rolling(killed)
    newest.write_bytes(DAMAGES[damage](newest.read_bytes()))
    result = server().run("resume", str(killed), cwd=killed.parent.parent)
    assert result.code == 0, result
    log = (killed / layout.LOG).read_text()
    assert newest.name in log
    assert f"resumed from {previous.name}" in log
    assert newest.name in result.err, f"standard error does not say what was skipped: {result.err!r}"
    # What was typed, which the report repeats, differs by checkpoint_seconds.
    assert_same_result(killed, done, without=(layout.OVERRIDES, layout.REPORT))


def test_resume_of_a_run_without_a_valid_checkpoint_refuses_and_changes_nothing(killed):
    for path in rolling(killed):
        path.write_bytes(flip(path.read_bytes(), 999))
    before = {path.name: path.read_bytes() for path in rolling(killed)}
    result = server().run("resume", str(killed), cwd=killed.parent.parent)
    assert result.code == 3
    assert all(name in result.err for name in before)
    assert "Traceback" not in result.err
    assert {path.name: path.read_bytes() for path in rolling(killed)} == before


def test_resume_refuses_checkpoints_of_another_configuration(killed):
    text = (killed / layout.CONFIG).read_text()
    (killed / layout.CONFIG).write_text(text.replace("batch_size: 2", "batch_size: 3"))
    result = server().run("resume", str(killed), cwd=killed.parent.parent)
    assert result.code == 3
    assert "another configuration" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("damage", DAMAGES)
def test_evaluate_refuses_a_damaged_checkpoint_with_one_message(damage, done, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(done, run)
    path = run / layout.CHECKPOINTS / layout.BEST
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    for given in (run, path):
        result = server().run("evaluate", str(given), cwd=tmp_path)
        assert result.code == 3
        assert result.out == ""
        assert result.err.startswith(f"dlx: {path} refused: ")
        assert result.err.count("\n") == 1
