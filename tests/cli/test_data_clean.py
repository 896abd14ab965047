"""dlx data clean: which decoded copies it removes, and what it says."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of the test's own with copies of two folders of images and one of recordings."""
    from dlx.dataset.audio_folder import AudioFolder
    from dlx.dataset.image_folder import ImageFolder

    monkeypatch.setenv("DLX_CACHE_DIR", str(tmp_path / "cache"))
    for folder in ("one", "two", "spoken"):
        for label in ("a", "b"):
            path = tmp_path / folder / label
            path.mkdir(parents=True)
            Image.fromarray(np.full((len(folder), 4, 3), ord(label), np.uint8)).save(path / "1.png")
            soundfile.write(path / "1.wav", np.zeros(9), 8000)
            (path / ("1.png" if folder == "spoken" else "1.wav")).unlink()
    for folder in ("one", "two"):
        ImageFolder(str(tmp_path / folder), None, [2, 2] if folder == "two" else None, "rgb", None).load("")
    AudioFolder(str(tmp_path / "spoken"), None, None, None).load("")
    return tmp_path / "cache" / "prepared"


def copies(cache):
    """Paths that copies in a cache are of."""
    return sorted(json.loads(path.read_text())["content"]["paths"][0].rpartition("/")[2]
                  for path in cache.glob("*/facts.json"))


def test_data_clean_removes_every_copy_and_lists_it_with_its_size(dlx, cache, tmp_path):
    folders = [path.parent for path in cache.glob("*/facts.json")]
    sizes = {path: sum(file.stat().st_size for file in path.iterdir()) for path in folders}
    result = dlx("data", "clean", "--json")
    assert (result.code, result.err) == (0, "")
    said = json.loads(result.out)
    assert {Path(row["folder"]): row["bytes"] for row in said["removed"]} == sizes
    assert sorted((row["dataset"], *row["paths"]) for row in said["removed"]) == [
        ("audio_folder", f"{tmp_path}/spoken"), ("image_folder", f"{tmp_path}/one"),
        ("image_folder", f"{tmp_path}/two")]
    assert (said["bytes"], said["folder"], said["in_use"], said["abandoned"]) == (
        sum(sizes.values()), str(cache), [], 0)
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_data_clean_of_a_dataset_or_a_path_leaves_the_others(dlx, cache):
    assert "removed 1 decoded copy" in dlx("data", "clean", "dataset=image_folder", "dataset.path=two").out
    assert copies(cache) == ["one", "spoken"]
    assert "image_folder of" in dlx("data", "clean", "dataset=image_folder").out
    assert copies(cache) == ["spoken"]
    assert "removed 0 decoded copies, 0 B" in dlx("data", "clean", "dataset=digits").out
    assert copies(cache) == ["spoken"]


def test_data_clean_knows_a_path_that_is_gone(dlx, cache, tmp_path):
    (tmp_path / "one").rename(tmp_path / "elsewhere")
    dlx("data", "clean", "dataset=image_folder", "dataset.path=one")
    assert copies(cache) == ["spoken", "two"]


def test_data_clean_removes_damaged_and_abandoned_copies(dlx, cache):
    next(cache.glob("*/facts.json")).write_text("{")
    (cache / f".{'0' * 64}.tmp").mkdir()
    result = dlx("data", "clean")
    assert result.code == 0
    assert "damaged, " in result.out
    assert "1 unfinished copies of processes that were killed" in result.out
    assert copies(cache) == []


@pytest.mark.parametrize("overrides", [["epochs=3"], ["dataset.path=one"], ["dataset=image_folder", "model=cnn"]])
def test_data_clean_of_what_is_no_dataset_is_refused(dlx, cache, overrides):
    result = dlx("data", "clean", *overrides)
    assert (result.code, result.out) == (2, "")
    assert "dlx data clean removes all decoded copies, or with dataset=NAME" in result.err
    assert copies(cache) == ["one", "spoken", "two"]


def test_data_clean_of_an_unknown_dataset_says_which_there_are(dlx, cache):
    result = dlx("data", "clean", "dataset=image_foldr")
    assert (result.code, result.out) == (2, "")
    assert "image_folder" in result.err


def test_data_clean_where_nothing_was_ever_decoded(dlx, tmp_path, monkeypatch):
    monkeypatch.setenv("DLX_CACHE_DIR", str(tmp_path / "none"))
    assert dlx("data", "clean") == (0, f"removed 0 decoded copies, 0 B, from {tmp_path}/none/prepared\n", "")
    assert not (tmp_path / "none").exists()
