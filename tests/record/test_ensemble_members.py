"""The folder of an ensemble: what is written is read, and nothing else is."""

from __future__ import annotations

import json

import pytest

from dlx.core.errors import ArtefactError
from dlx.record.members import Source, is_ensemble, member_paths, write_members


@pytest.fixture
def folder(tmp_path):
    write_members(tmp_path, [Source("runs/one", b"1"), Source("runs/two", b"22")], {"checkpoint": "best"})
    return tmp_path


def test_members_are_copied_in_their_order_and_named(folder):
    assert is_ensemble(folder)
    assert [path.read_bytes() for path in member_paths(folder)] == [b"1", b"22"]
    said = json.loads((folder / "ensemble.json").read_text())
    assert (said["checkpoint"], [member["run"] for member in said["members"]]) == ("best", ["runs/one", "runs/two"])
    assert [member["file"] for member in said["members"]] == ["members/001.safetensors", "members/002.safetensors"]


def test_a_folder_without_ensemble_json_is_none(tmp_path):
    assert not is_ensemble(tmp_path)
    assert not is_ensemble(tmp_path / "none")


@pytest.mark.parametrize(("change", "message"), [
    ({"format": 2}, "must name members, in format 1"),
    ({"members": []}, "must name members"),
    ({"members": "all"}, "must name members"),
    ({"members": [1, 2]}, "another file than ensemble.json says"),
    ({"members": [{"sha256": None}]}, "another file than ensemble.json says"),
    ({"members": [{}] * 3}, "another file than ensemble.json says"),
])
def test_an_altered_ensemble_json_is_refused(change, message, folder):
    said = json.loads((folder / "ensemble.json").read_text())
    (folder / "ensemble.json").write_text(json.dumps({**said, **change}))
    with pytest.raises(ArtefactError, match=message):
        member_paths(folder)


def test_a_path_in_ensemble_json_is_never_followed(folder):
    said = json.loads((folder / "ensemble.json").read_text())
    said["members"][0]["file"] = "/etc/hostname"
    (folder / "ensemble.json").write_text(json.dumps(said))
    assert member_paths(folder)[0] == folder / "members/001.safetensors"
