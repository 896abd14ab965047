"""What every dataset of conf/dataset promises. C classes, N examples.

One that needs files is given those of tests/dataset_files.py, one that is downloaded a small one in its format.
"""

import os
import random
import shutil
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torchvision_files
from dataset_files import FILES
from part_files import choice, code_and_arguments, make, option_names, parts
from promised_data import check_inputs, check_notes, check_spec, check_targets
from small_runs import metrics, thinned, train

from dlx.core.errors import StorageError
from dlx.core.types import Arrays, TaskSpec
from dlx.engine.data import fingerprint, given_spec
from dlx.engine.problems import task_problems

NAMES = option_names("dataset")
CODE_SUFFIXES = (".py", ".pyc", ".so", ".pth", ".zip")
watched: list[str] = []
watching = False


def audit(event, arguments):
    if watching and event in ("open", "socket.connect", "subprocess.Popen"):
        watched.append(f"{event} {arguments[0]}")


@contextmanager
def watch_files():
    """Note every file opened, connection made or process started inside the block; an audit hook cannot be removed."""
    global watching
    if not watched:
        sys.addaudithook(audit)
    watched[:] = ["audit"]
    watching = True
    try:
        yield watched
    finally:
        watching = False


class Loaded(NamedTuple):
    """A dataset that was read: its option and overrides, the part, where it lies, what it gave."""

    option: str
    overrides: list[str]
    dataset: Any
    folder: str
    arrays: Arrays

    @property
    def spec(self) -> TaskSpec:
        return given_spec(self.dataset, self.arrays)


def overrides_of(option, folder):
    """What is typed to have a dataset that takes what lies in its folder and nothing else, its files written there."""
    offline = ["dataset.download=false"] if "download" in code_and_arguments("dataset", option)[1] else []
    return [choice("dataset", option), *offline, *(FILES[option](folder) if option in FILES else [])]


def without_files(option, folder):
    """A dataset whose files, where it needs some, are gone."""
    folder.mkdir()
    overrides = overrides_of(option, folder)
    shutil.rmtree(folder)
    return parts(*overrides).dataset


def load_problem(dataset, folder):
    """Why the data cannot be had from a folder, or None where it can."""
    try:
        dataset.load(str(folder))
    except StorageError as error:
        return str(error)
    return None


@pytest.fixture(scope="module", params=NAMES)
def loaded(request, tmp_path_factory):
    option, folder = request.param, tmp_path_factory.mktemp("files")
    overrides = overrides_of(option, folder)
    dataset = parts(*overrides).dataset
    with pytest.MonkeyPatch.context() as patch:
        if option in torchvision_files.OPTIONS:
            torchvision_files.write(option, folder)
            torchvision_files.publish(patch, option, folder)
        yield Loaded(option, overrides, dataset, str(folder), dataset.load(str(folder)))


@pytest.mark.parametrize("option", NAMES)
def test_dataset_spec_describes_itself_without_reading_data(option, tmp_path):
    dataset = without_files(option, tmp_path / "files")
    with watch_files() as opened:
        spec = dataset.spec()
    assert [path for path in opened[1:] if not path.endswith(CODE_SUFFIXES) and not os.path.isdir(path[5:])] == []
    assert spec == dataset.spec()
    if spec is None:
        assert option in FILES, "only a user's own files may say what they look like"
    else:
        check_spec(spec)


def test_dataset_watch_of_files_sees_what_is_opened(tmp_path):
    (tmp_path / "data.bin").write_bytes(b"0")
    with watch_files() as opened:
        (tmp_path / "data.bin").read_bytes()
    assert opened[1:] == [f"open {tmp_path / 'data.bin'}"]


@pytest.mark.parametrize("option", NAMES)
def test_dataset_absent_or_embedded(option, tmp_path):
    dataset = without_files(option, tmp_path / "files")
    nowhere = tmp_path / "nowhere"
    problem = load_problem(dataset, nowhere)
    if option in FILES:
        assert problem is not None
        assert str(tmp_path) in problem
    else:
        assert problem is None or all(word in problem for word in (str(nowhere), "data_dir", "DLX_DATA_DIR"))
    assert list(tmp_path.iterdir()) == []


def test_dataset_says_what_it_looks_like_once(loaded):
    check_spec(loaded.spec)
    assert loaded.dataset.spec() in (None, loaded.spec)
    assert loaded.arrays.spec in (None, loaded.spec)


def test_dataset_arrays_are_what_spec_says(loaded):
    check_inputs(loaded.spec, loaded.arrays, missing=loaded.option in FILES)
    check_targets(loaded.spec, loaded.arrays.targets)
    check_notes(loaded.arrays)


def test_dataset_own_test_set_names_some_of_the_rows(loaded):
    targets, test_ids = loaded.arrays.targets, loaded.arrays.test_ids
    if test_ids is None:
        return
    assert test_ids.dtype == np.int64
    assert len(np.unique(test_ids)) == len(test_ids)
    assert 0 <= test_ids.min() <= test_ids.max() < len(targets)
    rest = np.setdiff1d(np.arange(len(targets)), test_ids)
    if loaded.spec.kind == "classification":
        for rows in (rest, test_ids):
            assert len(np.unique(targets[rows])) == loaded.spec.num_outputs


def same_arrays(one, other):
    """Whether two maps or lists of arrays hold the same, their types too."""
    return len(one) == len(other) and all(
        (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()) for a, b in zip(one, other, strict=True))


def test_dataset_loads_the_same_bytes_again_whatever_the_global_state(loaded):
    np.random.seed(99)
    before, expected = global_draws(), fingerprint(loaded.arrays)
    again = loaded.dataset.load(loaded.folder)
    assert global_draws() == before
    assert fingerprint(again) == expected
    assert (again.test_ids is None) == (loaded.arrays.test_ids is None)
    assert list(again.notes) == list(loaded.arrays.notes)
    assert same_arrays(list(again.notes.values()), list(loaded.arrays.notes.values()))
    assert given_spec(loaded.dataset, again) == loaded.spec


def global_draws():
    """The state of every global generator."""
    return torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()


def test_dataset_is_called_in_messages_as_it_is_typed(loaded):
    unfit = make("loss", "cross_entropy" if loaded.spec.kind == "regression" else "mse")
    problems = task_problems(replace(parts(*loaded.overrides), loss=unfit), loaded.spec)
    assert any(f"dataset={loaded.option} is a {loaded.spec.kind}" in problem for problem in problems)


def test_dataset_trains_with_what_its_yaml_composes(loaded, tmp_path):
    num_rows = min(max(120, 20 * loaded.spec.num_outputs), len(loaded.arrays.targets))
    few = thinned(loaded.spec, loaded.arrays, num_rows)
    folder = train(parts(*loaded.overrides, "epochs=3", "batch_size=16"), tmp_path / "run", few)
    losses = metrics(folder)["train_eval_loss"].tolist()
    assert losses[-1] < losses[0]
