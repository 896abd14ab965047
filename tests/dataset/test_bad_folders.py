"""Folders and archives that cannot be learnt from: which file, what to do, exit code 2, nothing left behind."""

import os
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pytest
from folders import IMAGES, RECORDINGS, images, noise, png, recordings, tarred, tone, wav, written, zipped

from dlx.core.errors import ConfigError, StorageError
from dlx.core.own_data import archive


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DLX_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refusal(data, cache):
    """Why a data set is refused; nothing of it stays in the cache."""
    with pytest.raises((ConfigError, StorageError)) as refused:
        data.load("")
    assert isinstance(refused.value, StorageError) == any(word in str(refused.value) for word in UNREADABLE)
    assert [path for path in cache.rglob("*") if path.name != "prepared"] == []
    assert "\n" not in str(refused.value)
    return str(refused.value)


UNREADABLE = ("is not there", "No such file", "Permission denied")


def symlink(path, files):
    path = tarred(path, files)
    with tarfile.open(path, "a") as file:
        info = tarfile.TarInfo("cat/link.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(info)
    return path


def encrypted(path, files):
    data = bytearray(zipped(path, files).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    return path


def cut(path, files):
    data = tarred(path, files).read_bytes()
    path.write_bytes(data[:3000])
    return path


def loop(path, files):
    folder = written(path, files)
    (folder / "cat/all").symlink_to(folder)
    return folder


def pipe(path, files):
    folder = written(path, files)
    os.mkfifo(folder / "cat/pipe.png")
    return folder


def broken_link(path, files):
    folder = written(path, files)
    (folder / "cat/gone.png").symlink_to("nowhere")
    return folder


MANY = {f"{name}/{number:04}.png": png(noise(number, (2, 2))) for name in ("cat", "dog") for number in range(300)}
BOMB = {"cat/1.png": bytes(2**23), "dog/1.png": bytes(2**23)}
BAD_IMAGES = {
    "an unreadable image among many": (written, {**MANY, "dog/0123.png": b"not an image"}, {"mode": "grey"},
                                       "'dog/0123.png' in {path} cannot be used (file 424 of 600): it is no image"),
    "half an image": (written, {**IMAGES, "cat/2.png": IMAGES["cat/2.png"][:60]}, {}, "'cat/2.png'"),
    "an empty file": (written, {**IMAGES, "cat/2.png": b""}, {}, "it is an empty file of 0 bytes"),
    "an empty class": (written, {**IMAGES, "owl/": b""}, {}, "the class folder 'owl' of {path} is empty; fill it"),
    "one class": (written, {name: data for name, data in IMAGES.items() if name < "d"}, {},
                  "{path} has a single class, 'cat'; at least two are needed, by one folder per class"),
    "no class folders": (written, {name[4:]: data for name, data in IMAGES.items()}, {},
                         "{path} has '0.png' in no class folder; give it a folder with one folder per class"),
    "an image beside the class folders": (written, {**IMAGES, "x.png": png(noise(0))}, {}, "has 'x.png' in no class"),
    "no files": (written, {"cat/": b"", "dog/": b""}, {}, "{path} holds no image: it is empty"),
    "several sizes": (written, {**IMAGES, "dog/1.png": png(noise(0, (5, 9, 3)))}, {},
                      "'dog/1.png' is 5×9 (height × width), 'cat/0.png' is 4×6; scale all to one size: "
                      "dataset.size=[4,6]"),
    "a text file": (written, {**IMAGES, "cat/notes.txt": b"hello"}, {}, "{path} holds 'cat/notes.txt', which is no"),
    "a hidden file": (written, {**IMAGES, "cat/.hidden": b"hello"}, {}, "{path} holds 'cat/.hidden', which is no"),
    "a name with a line break": (written, {**IMAGES, "cat/a\nb.png": png(noise(0))}, {}, "a name of a file must not"),
    "names against the pattern": (written, {"cat_1.png": png(noise(0)), "dog-1.png": png(noise(1))},
                                  {"pattern": "{label}_{number}"},
                                  "'dog-1.png' in {path} does not match dataset.pattern={{label}}_{{number}}; rename"),
    "one class by pattern": (written, {"cat_1.png": png(noise(0)), "cat_2.png": png(noise(1))},
                             {"pattern": "{label}_{number}"}, "at least two are needed, by {{label}} of dataset"),
    "a class in test alone": (written, {**{f"train/{name}": data for name, data in IMAGES.items()},
                                        "test/owl/1.png": png(noise(0))}, {},
                              "the class 'owl' is in the test set of {path} alone (the first is 'test/owl/1.png')"),
    "a transparent image": (written, {**IMAGES, "dog/3.png": png(noise(0, (4, 6, 4)))}, {}, "transparent pixels"),
    "a link to a folder around it": (loop, IMAGES, {}, "is a link to a folder that it lies in"),
    "a link to nowhere": (broken_link, IMAGES, {}, "cannot read {path}/cat/gone.png: No such file"),
    "a pipe": (pipe, IMAGES, {}, "{path}/cat/pipe.png is neither a plain file nor a folder"),
    "a tar that points elsewhere": (tarred, {**IMAGES, "../evil.png": b"x"}, {}, "'../evil.png' points outside it"),
    "a zip that points elsewhere": (zipped, {**IMAGES, "/evil.png": b"x"}, {}, "'/evil.png' points outside it"),
    "a tar with a link": (symlink, IMAGES, {}, "'cat/link.png' is neither a plain file nor a folder but a link to"),
    "a zip bomb": (zipped, BOMB, {}, "it holds over 100 times its own size"),
    "a gzip bomb": (lambda path, files: tarred(path, files, "w:gz"), BOMB, {}, "it holds over 100 times its own size"),
    "a truncated tar": (cut, IMAGES, {}, "the archive {path} is damaged or cut short"),
    "an encrypted zip": (encrypted, IMAGES, {}, "the archive {path} is encrypted (its member 'cat/0.png')"),
    "no archive": (lambda path, files: written(path.parent, {path.name: b"hello"}) / path.name, {}, {},
                   "{path} is neither a folder nor a tar, tar.gz or zip archive"),
    "an empty archive": (tarred, {}, {}, "{path}"),
    "an empty file as archive": (lambda path, files: written(path.parent, {path.name: b""}) / path.name, {}, {},
                                 "{path} is an empty file"),
}
BAD_RECORDINGS = {
    "another rate": (written, {**RECORDINGS, "low/2.wav": wav(tone(), 16000)}, {},
                     "'low/2.wav' has 16000 samples per second, 'high/0.wav' has 8000; resample all to one rate: "
                     "dataset.sample_rate=8000"),
    "no samples": (written, {**RECORDINGS, "low/2.wav": wav([])}, {}, "'low/2.wav' in {path} cannot be used (file 7 of "
                                                                     "8): it holds no samples"),
    "an empty file": (written, {**RECORDINGS, "low/2.wav": b""}, {}, "it is an empty file of 0 bytes"),
    "no audio": (written, {**RECORDINGS, "low/2.wav": b"hello" * 99}, {}, "it is no WAV or FLAC file"),
    "an mp3": (written, {**RECORDINGS, "low/2.mp3": b"ID3"}, {}, "holds 'low/2.mp3', which is no recording (.flac"),
    "a cut recording": (written, {**RECORDINGS, "low/2.wav": wav(tone(999))[:-500]}, {}, "'low/2.wav'"),
    "names against the pattern": (written, {"0_ann_1.wav": wav(tone()), "1-bob.wav": wav(tone())},
                                  {"pattern": "{label}_{speaker}_{index}"}, "'1-bob.wav' in {path} does not match"),
    "one class": (written, {"high/1.wav": wav(tone())}, {}, "a single class, 'high'"),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_image_folder_refuses(tmp_path, cache, monkeypatch, case):
    make, files, options, said = BAD_IMAGES[case]
    monkeypatch.setattr(archive, "FREE_BYTES", 2**20)
    path = make(tmp_path / "data", files)
    assert said.format(path=path) in refusal(images(path, **options), cache)


@pytest.mark.parametrize("case", BAD_RECORDINGS)
def test_audio_folder_refuses(tmp_path, cache, case):
    make, files, options, said = BAD_RECORDINGS[case]
    path = make(tmp_path / "data", files)
    assert said.format(path=path) in refusal(recordings(path, **options), cache)


def test_image_folder_refuses_a_path_that_is_not_there(tmp_path, cache):
    assert refusal(images(tmp_path / "gone"), cache).startswith(f"dataset.path={tmp_path}/gone is not there")
    data = images(written(tmp_path / "data", IMAGES), "gone")
    with pytest.raises(StorageError, match=r"dataset.test_path=gone is not there: looked for .*/gone and /there/gone"):
        data.load("/there")


def test_image_folder_refuses_a_test_set_of_other_classes(tmp_path, cache):
    path, other = written(tmp_path / "a", IMAGES), written(tmp_path / "b", {"owl/1.png": png(noise(0))})
    assert "the class 'owl' is in the test set" in refusal(images(path, other), cache)


@pytest.mark.parametrize("pattern", ["", "no field", "{speaker}_{index}", "{label}_{label}", "{label}{index}",
                                     "{label}_{file}", "{label}_{", "{label}_{0}", "{label}_{part}"])
def test_folder_pattern_that_is_none_is_refused(tmp_path, pattern):
    for make in (images, recordings):
        with pytest.raises(ConfigError, match=r"dataset\.pattern must hold {label}"):
            make(tmp_path, pattern=pattern)


@pytest.fixture
def as_nobody():
    """A folder of somebody who may read what all may; a user who may read everything becomes nobody."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        images(written(Path(folder) / "loaded", IMAGES)).load("")  # imports what nobody may not read
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        yield Path(folder)
        os.seteuid(user)


def test_image_folder_that_may_not_be_read_is_refused(as_nobody, monkeypatch):
    monkeypatch.setenv("DLX_CACHE_DIR", str(as_nobody / "cache"))
    folder = written(as_nobody / "data", IMAGES)
    os.chmod(folder / "cat/1.png", 0)
    assert refusal(images(folder), as_nobody / "cache") == f"cannot read {folder}/cat/1.png: Permission denied"
    os.chmod(folder / "dog", 0)
    assert f"cannot read {folder}/dog: Permission denied" == refusal(images(folder), as_nobody / "cache")
    os.chmod(folder / "dog", 0o755)


CLI_CASES = {"unreadable": {**IMAGES, "cat/2.png": b"x"}, "sizes": {**IMAGES, "dog/1.png": png(noise(0, (5, 9, 3)))},
             "one class": {"cat/1.png": png(noise(0))}, "text": {**IMAGES, "cat/notes.txt": b"hello"}}


@pytest.mark.parametrize("case", CLI_CASES)
def test_train_refuses_bad_images_before_there_is_a_run(dlx, tmp_path, case):
    folder = written(tmp_path / "data", CLI_CASES[case])
    result = dlx("train", "dataset=image_folder", f"dataset.path={folder}")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("dlx: ")
    assert result.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_train_on_images_then_again_from_the_prepared_copy_gives_the_same_bytes(dlx, tmp_path, cache):
    written(tmp_path / "data", {f"{name}/{number}.png": png(noise(number) // 2 + 128 * (name == "day"))
                                         for name in ("day", "night") for number in range(30)})
    for number in range(2):
        result = dlx("train", "dataset=image_folder", "dataset.path=data", "epochs=2", f"runs_dir=runs{number}")
        assert result.code == 0, result.err
    first, second = (next((tmp_path / f"runs{number}").glob("*/")) for number in range(2))
    for name in ("metrics.csv", "summary.json", "predictions.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert len(list(cache.rglob("inputs.npy"))) == 1
    assert np.load(next(cache.rglob("inputs.npy"))).shape == (60, 3, 4, 6)
