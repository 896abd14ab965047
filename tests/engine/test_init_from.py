"""Models that start with the weights of a saved run."""

import shutil
from dataclasses import replace

import pytest
import torch
from member_runs import DIGITS, assert_equals_solo, left_by, one, trained
from part_files import saved
from small_runs import InMemory, equal_tensors, interrupted_after
from torch import nn
from torch.nn.utils import parametrizations

from dlx.cli.main import main
from dlx.core.errors import ArtefactError, ConfigError, InterruptedRunError
from dlx.core.head import head_of, head_tensors
from dlx.core.types import PADDING, Arrays, TaskSpec
from dlx.engine.build import build_model
from dlx.engine.start import start
from dlx.engine.state import section
from dlx.record import layout
from dlx.record.checkpoint import load
from dlx.sweep.groups import make_groups

FIRST, LAST = "dataset.classes=[0,1,2,3,4]", "dataset.classes=[5,6,7,8,9]"
CNN = ("model=cnn", "model.width=4", "epochs=2")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The folder of a run on the first five digits."""
    (path,) = trained([one(*CNN, FIRST, "seed=5")], tmp_path_factory.mktemp("source"))
    return path


def initial_weights(described):
    group = start([described], "", [None], fused=False).group
    return group.weights(0)


def weights_of(path, name=layout.BEST):
    """Saved weights as a new model takes them: runs here compute in float64, and models are made in float32."""
    return {name: tensor.float().double() if tensor.is_floating_point() else tensor
            for name, tensor in section(load(path / layout.CHECKPOINTS / name), "model").items()}


def test_init_from_takes_every_weight_and_statistic_where_the_answers_are_the_same(source):
    found = initial_weights(one(*CNN, FIRST, f"model.init_from={source}", "seed=1"))
    assert equal_tensors(found, weights_of(source))
    assert any(name.endswith("running_mean") for name in found)


@pytest.mark.parametrize("classes", [LAST, "dataset.classes=[0,1,2]", "dataset.classes=null"])
def test_init_from_draws_the_head_anew_where_classes_are_others(source, classes):
    found, drawn = (initial_weights(one(*CNN, classes, *more, "seed=1")) for more in
                    ([f"model.init_from={source}"], []))
    known = weights_of(source)
    for name, value in found.items():
        assert torch.equal(value, drawn[name] if name.startswith("head.") else known[name]), name


def test_init_from_says_what_is_from_where_in_log_and_initial_checkpoint(source, tmp_path, caplog):
    with caplog.at_level("INFO", "dlx"):
        (path,) = trained([one(*CNN, LAST, f"model.init_from={source}")], tmp_path)
    initial = load(path / layout.CHECKPOINTS / layout.INITIAL)
    expected = load(source / layout.CHECKPOINTS / layout.BEST).state["sha256"]
    assert initial.state["weights"]["sha256"] == expected
    assert initial.state["weights"]["drawn_anew"] == ["head.weight", "head.bias"]
    assert f"SHA-256 {expected}; drawn anew: head.weight, head.bias" in caplog.text
    assert "weights" not in load(path / layout.CHECKPOINTS / layout.BEST).state


def test_init_from_takes_a_checkpoint_file(source):
    file = source / layout.CHECKPOINTS / layout.LAST
    found = initial_weights(one(*CNN, FIRST, f"model.init_from={file}"))
    assert equal_tensors(found, weights_of(source, layout.LAST))


@pytest.mark.parametrize(("overrides", "named"), [
    (["model.width=5"], r"blocks\.0\.weight \[4, 1, 3, 3\] there, \[5, 1, 3, 3\] here"),
    (["model.norm=none"], r"blocks\.1\.bias \[4\] there, is absent here"),
    (["model.depth=3"], r"blocks\.\d+\.weight is absent there"),
])
def test_init_from_of_another_model_is_refused_with_names_and_shapes(source, overrides, named):
    with pytest.raises(ConfigError, match=named):
        initial_weights(one(*CNN, *overrides, FIRST, f"model.init_from={source}"))


def test_init_from_that_is_missing_or_damaged_is_refused_before_there_is_a_folder(source, tmp_path, capsys):
    damaged = tmp_path / "damaged.safetensors"
    data = bytearray((source / layout.CHECKPOINTS / layout.BEST).read_bytes())
    data[-9] ^= 1
    damaged.write_bytes(data)
    runs = f"runs_dir={tmp_path / 'runs'}"
    for path, reason in ((damaged, "SHA-256 does not match"), (tmp_path / "absent", "does not exist"),
                         (tmp_path, "is not a run folder")):
        assert main(["train", *CNN, FIRST, runs, f"model.init_from={path}"]) == 3
        assert reason in capsys.readouterr().err
    assert main(["train", *CNN, "model.width=5", FIRST, runs, f"model.init_from={source}"]) == 2
    assert "weights other than the head's do not fit" in capsys.readouterr().err
    assert main(["sweep", *CNN, "model.width=4,5", FIRST, runs, f"model.init_from={source}"]) == 2
    assert "weights other than the head's do not fit" in capsys.readouterr().err
    assert main(["sweep", *CNN, "seeds=2", FIRST, runs, f"model.init_from={damaged}"]) == 3
    assert not (tmp_path / "runs").exists()


def test_init_from_resumes_and_evaluates_without_its_source(source, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(source, moved)
    described = one(*CNN, LAST, f"model.init_from={moved}")
    (whole,) = trained([described], tmp_path / "whole")
    made, stop = interrupted_after(described[0], 3)
    with pytest.raises(InterruptedRunError):
        trained([(made, described[1])], tmp_path / "halves", stop)
    shutil.rmtree(moved)
    (halves,) = trained([described], tmp_path / "halves")
    assert left_by(halves) == left_by(whole)
    with pytest.raises(ArtefactError, match="does not exist"):
        trained([described], tmp_path / "anew")


def test_init_from_of_members_is_that_of_each_alone(source, tmp_path):
    (other,) = trained([one(*CNN, FIRST, "seed=6")], tmp_path)
    assert_equals_solo([one(*CNN, LAST, f"model.init_from={path}", f"seed={seed}")
                        for seed, path in enumerate((source, other, source))])


def test_init_from_goes_before_a_regularizer_that_renames_parameters(source):
    class Normed:
        def on_model(self, model):
            parametrizations.weight_norm(model.head)
            return model

    described = one(*CNN, FIRST, f"model.init_from={source}")
    made = replace(described[0], regularizers={"normed": Normed()})
    group = start([(made, described[1])], "", [None], fused=False).group
    assert torch.allclose(group.model.head.weight, weights_of(source)["head.weight"], atol=1e-6)
    assert torch.equal(group.model.blocks[0].weight, weights_of(source)["blocks.0.weight"])


# A dataset of tokens, in the place of which others are put.
TOKENS = ("dataset=modular_addition",)


def texts(shift):
    tokens = torch.randint(1, 4, (140, 6), generator=torch.Generator().manual_seed(shift)).numpy()
    tokens[:, 5] = PADDING
    spec = TaskSpec("classification", "tokens", (6,), 3, tuple("012"), vocabulary_size=4)
    return InMemory(spec, Arrays(tokens, (tokens == 1).sum(axis=1).clip(max=2)))


def test_init_from_takes_embeddings_of_tokens_that_stand_for_the_same(tmp_path):
    bag = ("model=bag", "model.width=4", "epochs=1", "preprocessing=[none]", *TOKENS)
    (path,) = trained([one(*bag, data=texts(0))], tmp_path)
    found = initial_weights(one(*bag, f"model.init_from={path}", data=texts(1)))
    assert equal_tensors(found, weights_of(path))


def test_init_from_refuses_embeddings_of_another_vocabulary(tmp_path):
    words = ("dataset=text_csv", "preprocessing=[tokenize_word]", "model=bag", "model.width=4", "epochs=1",
             "metric=[accuracy]", f"runs_dir={tmp_path / 'runs'}", "device=cpu")
    for name, pair in (("old", ("good fine", "bad poor")), ("new", ("nice kind", "grim sad"))):
        rows = [f"{pair[number % 2]},{'yn'[number % 2]}" for number in range(60)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    data = ("dataset.text=text", "dataset.target=label")
    assert main(["train", *words, f"dataset.path={tmp_path / 'old.csv'}", *data]) == 0
    (path,) = (tmp_path / "runs").glob("*/")
    assert main(["train", *words, f"dataset.path={tmp_path / 'old.csv'}", *data, f"model.init_from={path}"]) == 0
    assert main(["train", *words, f"dataset.path={tmp_path / 'new.csv'}", *data, f"model.init_from={path}"]) == 2


@pytest.mark.parametrize(("model", "expected"), [("mlp", "layers.3"), ("cnn", "head"), ("linear", "head")])
def test_head_is_the_module_of_that_name_or_the_last_linear_layer(model, expected):
    made, _ = one(f"model={model}")
    built = build_model(made, DIGITS.task)
    assert head_tensors(built) == {f"{expected}.weight", f"{expected}.bias"}
    assert head_of(built) is built.get_submodule(expected)


def test_head_is_the_model_itself_or_nothing_and_shares_what_is_tied():
    assert head_tensors(nn.Linear(2, 3)) == {"weight", "bias"}
    assert head_of(nn.ReLU()) is None
    assert head_tensors(nn.ReLU()) == set()
    tied = nn.ModuleDict({"tokens": nn.Embedding(5, 2), "hidden": nn.Linear(2, 2), "out": nn.Linear(2, 5, bias=False)})
    tied["out"].weight = tied["tokens"].weight
    assert head_tensors(tied) == {"tokens.weight", "out.weight"}


def test_init_from_lets_runs_with_other_sources_train_together_and_freeze_does_not(source):
    runs = [saved(*CNN, f"model.init_from={path}", f"model.freeze={freeze}", f"seed={seed}")
            for seed, (path, freeze) in enumerate([("null", "null"), (source, "null"), (source, "backbone"),
                                                   ("null", "backbone")])]
    assert make_groups(runs, 1, 64).groups == ((0, 1), (2, 3))
