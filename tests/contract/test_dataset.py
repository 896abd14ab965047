"""What every dataset of conf/dataset promises. C classes, N examples."""

import os
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from dataset_files import FILES
from part_files import choice, code_and_arguments, make, option_names, parts
from small_runs import metrics, thinned, train

from dlx.core.errors import ConfigError, StorageError
from dlx.engine.data import fingerprint, given_spec

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


def without_download(option, files):
    """The dataset of an option, which takes what lies in its folder, or in files made here, and nothing else."""
    if option in FILES:
        return parts(choice("dataset", option), *FILES[option](files)).dataset
    _, arguments = code_and_arguments("dataset", option)
    return make("dataset", option, **({"download": False} if "download" in arguments else {}))


def load_problem(dataset, folder):
    """Why the data cannot be had from a folder, or None where it can."""
    try:
        dataset.load(str(folder))
    except StorageError as error:
        return str(error)
    return None


@pytest.fixture(scope="module", params=NAMES)
def loaded(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("empty")
    dataset = without_download(request.param, tmp_path_factory.mktemp("files"))
    if load_problem(dataset, folder) is not None:
        folder = request.getfixturevalue("data_dir")
    return request.param, dataset, str(folder), dataset.load(str(folder))


@pytest.mark.parametrize("option", NAMES)
def test_dataset_spec_describes_itself_without_reading_data(option):
    dataset = make("dataset", option)
    with watch_files() as opened:
        spec = dataset.spec()
    assert [path for path in opened[1:] if not path.endswith(CODE_SUFFIXES) and not os.path.isdir(path[5:])] == []
    assert spec == dataset.spec()
    if spec is None:
        assert option in FILES
    else:
        check_spec(spec)


def check_spec(spec):
    assert spec.kind in ("classification", "regression")
    assert all(isinstance(size, int) and size > 0 for size in spec.input_shape)
    assert len(spec.input_shape) == {"image": 3, "table": 1}.get(spec.layout, len(spec.input_shape))
    if spec.kind == "classification":
        assert spec.num_outputs == len(spec.class_names) == len(set(spec.class_names)) > 1
    else:
        assert (spec.num_outputs, spec.class_names) == (1, ())


def test_dataset_watch_of_files_sees_what_is_opened(tmp_path):
    (tmp_path / "data.bin").write_bytes(b"0")
    with watch_files() as opened:
        (tmp_path / "data.bin").read_bytes()
    assert opened[1:] == [f"open {tmp_path / 'data.bin'}"]


@pytest.mark.parametrize("option", NAMES)
def test_dataset_absent_or_embedded(option, tmp_path):
    nowhere = tmp_path / "nowhere"
    if option in FILES:
        with pytest.raises(ConfigError, match=r"dataset\.path must name .* got null"):
            make("dataset", option).load(str(nowhere))
        return
    dataset = without_download(option, tmp_path)
    problem = load_problem(dataset, nowhere)
    assert problem is None or all(word in problem for word in (str(nowhere), "data_dir", "DLX_DATA_DIR"))
    assert not nowhere.exists()


def test_dataset_arrays_are_what_spec_says(loaded):
    _, dataset, _, arrays = loaded
    spec = given_spec(dataset, arrays)
    check_spec(spec)
    assert arrays.targets.ndim == 1
    assert len(arrays.inputs) == len(arrays.targets)
    assert all(len(note) == len(arrays.targets) for note in arrays.notes.values())
    if spec.layout == "audio":
        assert arrays.inputs.values.dtype == np.float32
        assert np.abs(arrays.inputs.values).max() <= 1
    else:
        assert arrays.inputs.shape[1:] == spec.input_shape
        assert arrays.inputs.dtype == np.float32 or (spec.layout == "image" and arrays.inputs.dtype == np.uint8)
        assert np.isfinite(arrays.inputs).all()
    assert arrays.targets.dtype == (np.int64 if spec.kind == "classification" else np.float32)
    if spec.kind == "classification":
        assert np.unique(arrays.targets).tolist() == list(range(spec.num_outputs))
    else:
        assert np.isfinite(arrays.targets).all()
        assert arrays.targets.std() > 0


def test_dataset_own_test_set_names_some_of_the_rows(loaded):
    _, dataset, _, arrays = loaded
    if arrays.test_ids is None:
        return
    assert arrays.test_ids.dtype == np.int64
    assert len(np.unique(arrays.test_ids)) == len(arrays.test_ids)
    assert 0 <= arrays.test_ids.min() <= arrays.test_ids.max() < len(arrays.targets)
    rest = np.setdiff1d(np.arange(len(arrays.targets)), arrays.test_ids)
    if given_spec(dataset, arrays).kind == "classification":
        for rows in (rest, arrays.test_ids):
            assert len(np.unique(arrays.targets[rows])) == given_spec(dataset, arrays).num_outputs


def test_dataset_loads_the_same_bytes_again_whatever_the_global_state(loaded):
    _, dataset, folder, arrays = loaded
    before, expected = torch.get_rng_state(), fingerprint(arrays)
    np.random.seed(99)
    again = dataset.load(folder)
    assert fingerprint(again) == expected
    assert np.array_equal(again.test_ids, arrays.test_ids) or again.test_ids is arrays.test_ids is None
    assert torch.equal(torch.get_rng_state(), before)


def test_dataset_trains_with_what_its_yaml_composes(loaded, tmp_path):
    option, dataset, _, arrays = loaded
    spec = given_spec(dataset, arrays)
    if spec.layout == "audio" and "log_mel" not in option_names("preprocessing"):
        pytest.skip("no preprocessing makes spectrograms")
    few = thinned(spec, arrays, min(120, len(arrays.targets)))
    folder = train(parts(choice("dataset", option), "epochs=3", "batch_size=16"), tmp_path / "run", few)
    losses = metrics(folder)["train_eval_loss"].tolist()
    assert losses[-1] < losses[0]
