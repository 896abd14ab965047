"""Groups and options of the user's own: --config-dir, a module in the current folder, presets."""

from __future__ import annotations

import json

import pytest
from conftest import only_run
from part_files import option_names

from dlx.config import options
from dlx.core.model_keys import INERT
from dlx.record.safe_yaml import read_yaml

MODELS = options.options("model", [options.conf_dir()])

MODEL = '''
import math

from torch import nn

from dlx.core.ranges import Width


class Bottleneck(nn.Module):
    """A model of the user's."""

    def __init__(self, input_shape, num_outputs, width: Width):
        super().__init__()
        self.inner = nn.Linear(math.prod(input_shape), width)
        self.head = nn.Linear(width, num_outputs)

    def forward(self, x):
        return self.head(self.inner(x.flatten(1)).relu())
'''
QUICK = ("dataset=breast_cancer", "metric=[accuracy]", "epochs=1", "--json")


@pytest.fixture
def mine(workdir, request):
    """A folder of groups, beside a module whose name no other test uses; returns both names."""
    module = f"{request.node.originalname}_parts"
    folder = workdir / "conf_mine"
    (folder / "model").mkdir(parents=True)
    (workdir / f"{module}.py").write_text(MODEL)
    (folder / "model/bottleneck.yaml").write_text(f"# Narrow in the middle.\n_target_: {module}.Bottleneck\nwidth: 5\n")
    return str(folder), module


def test_user_part_is_trained_and_measured_again(dlx, mine):
    folder, module = mine
    trained = dlx("train", "--config-dir", folder, "model=bottleneck", "model.width=7", *QUICK)
    assert (trained.code, trained.err) == (0, "")
    summary = json.loads(trained.out)
    assert summary["num_parameters"] == 30 * 7 + 7 + 7 * 2 + 2
    assert read_yaml(only_run() / "config.yaml")["model"] == {"part": f"{module}.Bottleneck", "width": 7, **INERT}
    assert only_run().name.split("-")[2:-1] == ["breast_cancer", "Bottleneck"]

    again = dlx("evaluate", str(only_run()), "--trust", module, "--json")
    assert again.code == 0
    values = {(row["metric"], row["split"]): row["value"] for row in json.loads(again.out)["metrics"]}
    assert values == {(row["metric"], row["split"]): pytest.approx(row["value"], abs=1e-6)
                      for row in summary["metrics"]}


def test_user_part_of_a_saved_run_needs_trust(dlx, mine):
    folder, module = mine
    assert dlx("train", "--config-dir", folder, "model=bottleneck", *QUICK).code == 0
    for arguments in ([], ["--trust", "another"], ["--trust", module[:-1]]):
        refused = dlx("evaluate", str(only_run()), *arguments)
        assert refused.code == 3
        assert refused.err.startswith(f"dlx: model part '{module}.Bottleneck' is refused")
        assert "--trust PACKAGE" in refused.err
        assert refused.out == ""


def test_user_part_is_checked_like_any_other(dlx, mine):
    folder, _ = mine
    wide = dlx("validate", "--config-dir", folder, "model=bottleneck", "model.width=0")
    assert (wide.code, wide.err) == (2, "dlx: model.width must be a whole number in [1, 65536], got 0\n")
    unknown = dlx("validate", "--config-dir", folder, "model=bottlenek")
    names = ", ".join(sorted([*MODELS, "bottleneck"]))
    assert unknown.err == (f"dlx: model=bottlenek does not exist; model is one of {names}; did you mean bottleneck?\n")
    alone = dlx("validate", "model=bottleneck")
    assert alone.err == f"dlx: model=bottleneck does not exist; model is one of {', '.join(MODELS)}\n"


def test_user_part_is_listed_and_shown(dlx, mine):
    folder, _ = mine
    listed = json.loads(dlx("list", "model", "--config-dir", folder, "--json").out)
    assert list(listed) == sorted([*MODELS, "bottleneck"])
    assert listed["bottleneck"] == {"about": "Narrow in the middle.", "defaults": {"width": 5}}
    shown = json.loads(dlx("show", "--config-dir", folder, "model=bottleneck", "--json").out)
    assert shown["num_parameters"] == 64 * 5 + 5 + 5 * 10 + 10


def test_user_option_shadows_the_packaged_one_of_its_name(dlx, workdir):
    (workdir / "shadows/optimizer").mkdir(parents=True)
    (workdir / "shadows/optimizer/adam.yaml").write_text(
        "_target_: dlx.optimizer.adam.Adam\nlr: 0.25\nbetas: [0.1, 0.2]\neps: 1.0e-8\nweight_decay: 0.0\n")
    folder = str(workdir / "shadows")
    config = json.loads(dlx("show", "--config-dir", folder, "--json").out)["config"]
    assert config["optimizer"] == {"part": "adam", "lr": 0.25, "betas": [0.1, 0.2], "eps": 1e-8, "weight_decay": 0.0,
                                       "decay_norm_and_bias": True, "lr_multipliers": None}
    listed = json.loads(dlx("list", "optimizer", "--config-dir", folder, "--json").out)
    assert (listed["adam"]["defaults"]["lr"], list(listed)) == (0.25, option_names("optimizer"))
    assert json.loads(dlx("show", "--json").out)["config"]["optimizer"]["lr"] == 0.001


def test_user_option_may_shadow_with_code_of_its_own(dlx, mine, workdir):
    folder, module = mine
    (workdir / "conf_mine/model/mlp.yaml").write_text(f"_target_: {module}.Bottleneck\nwidth: 3\n")
    shown = json.loads(dlx("show", "--config-dir", folder, "model=mlp", "--json").out)
    assert shown["config"]["model"] == {"part": f"{module}.Bottleneck", "width": 3, **INERT}


def test_user_preset_is_applied(dlx, workdir):
    (workdir / "presets/experiment").mkdir(parents=True)
    (workdir / "presets/experiment/tiny.yaml").write_text(
        "# @package _global_\n# Question: none.\ndefaults:\n  - override /model: linear\n"
        "  - override /regularizer: [l2]\nepochs: 2\nregularizer:\n  l2:\n    strength: 0.5\n")
    folder = str(workdir / "presets")
    config = json.loads(dlx("show", "--config-dir", folder, "experiment=tiny", "seed=4", "--json").out)["config"]
    assert (config["model"]["part"], config["epochs"], config["seed"]) == ("linear", 2, 4)
    assert config["regularizer"] == {"l2": {"part": "l2", "strength": 0.5}}


@pytest.mark.parametrize(("content", "message"), [
    ("_target_: absent_module.Thing\n", "model._target_=absent_module.Thing cannot be used: No module named"),
    ("_target_: json.Absent\n", "model._target_=json.Absent cannot be used: module 'json' has no attribute 'Absent'"),
    ("_target_: os.getcwd\nwidth: 3\n", "model.width is not an argument of getcwd"),
])
def test_user_option_that_cannot_be_used_is_said_to_be(dlx, workdir, content, message):
    (workdir / "bad/model").mkdir(parents=True)
    (workdir / "bad/model/thing.yaml").write_text(content)
    result = dlx("validate", "--config-dir", str(workdir / "bad"), "model=thing")
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("content", ["width: 3\n", "- 1\n- 2\n", "width: [\n", "just text\n"])
def test_user_option_that_is_none_is_a_configuration_error(dlx, workdir, content):
    (workdir / "bad/model").mkdir(parents=True)
    (workdir / "bad/model/thing.yaml").write_text(content)
    for command in (["validate", "model=thing"], ["list", "model"]):
        result = dlx(*command, "--config-dir", str(workdir / "bad"))
        if command[0] == "validate" or result.code:
            assert result.code == 2
            assert "thing" in result.err or "_target_" in result.err


def test_user_parts_module_is_found_in_the_current_folder_of_a_process(dlx_process, mine):
    folder, _ = mine
    result = dlx_process("validate", "--config-dir", folder, "model=bottleneck")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("valid: digits-Bottleneck ")
