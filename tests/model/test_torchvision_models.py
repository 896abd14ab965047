"""Models of torchvision beside torchvision's own, with weights of files, keyed draws, and what they refuse."""

import re

import pytest
import torch
from part_files import make, parts
from safetensors.torch import save_file
from small_runs import digits, session
from torch import nn

from dlx.core.errors import ArtefactError, ConfigError
from dlx.core.head import head_tensors
from dlx.core.layers import Dropout, StochasticDepth
from dlx.core.vision import torchvision
from dlx.engine.start import start

SMALL = "shufflenet_v2_x0_5"


def classifier(shape=(3, 32, 32), num_outputs=7, architecture=SMALL):
    return make("model", "torchvision", input_shape=shape, num_outputs=num_outputs, architecture=architecture)


def on_digits(*overrides):
    return parts("model=torchvision", f"model.architecture={SMALL}", "batch_size=16", *overrides)


@pytest.mark.parametrize(("architecture", "num_parameters"), [
    # 512 · 10 + 10 in place of 512 · 1000 + 1000, as for each of them.
    ("resnet18", 11_689_512 - 990 * 513), (SMALL, 1_366_792 - 990 * 1025), ("squeezenet1_1", 1_235_496 - 990 * 513),
    ("mobilenet_v3_small", 2_542_856 - 990 * 1025), ("regnet_y_400mf", 4_344_144 - 990 * 441),
])
def test_torchvision_has_the_parameters_of_the_documentation_but_for_its_head(architecture, num_parameters):
    with torch.device("meta"):
        model = classifier((3, 64, 64), 10, architecture)
    assert sum(param.numel() for param in model.parameters()) == num_parameters


def families():
    """The first architecture of each family that torchvision has."""
    models = torchvision().models
    return list({re.split(r"[\d_]", name)[0]: name for name in reversed(models.list_models(module=models))}.values())


def test_torchvision_makes_every_family_with_a_head_of_the_outputs():
    names = families()
    assert len(names) >= 18
    for name in names:
        shape = (3, 299, 299) if name == "inception_v3" else (3, 224, 224)
        with torch.device("meta"):
            few, many = (classifier(shape, count, name) for count in (2, 7))
        shapes = [{key: tensor.shape for key, tensor in model.state_dict().items()} for model in (few, many)]
        assert {key for key, size in shapes[0].items() if shapes[1][key] != size} == head_tensors(few), name


def test_torchvision_computes_what_torchvisions_model_does():
    model, x = classifier(), torch.randn(2, 3, 32, 32)
    twin = torchvision().models.get_model(SMALL, num_classes=7)
    twin.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(x), twin.eval()(x))


def test_torchvision_gives_an_image_of_one_channel_to_all_three():
    torch.manual_seed(0)
    gray = classifier((1, 32, 32))
    colored = classifier((3, 32, 32))
    colored.load_state_dict(gray.state_dict())
    x = torch.randn(2, 1, 32, 32)
    assert torch.equal(gray.eval()(x), colored.eval()(x.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize("architecture", ["efficientnet_b0", "vgg11", "mobilenet_v2", "googlenet", "swin_t"])
def test_torchvision_draws_dropout_and_stochastic_depth_from_keyed_generators(architecture):
    twin = torchvision().models.get_model
    with torch.device("meta"):
        model = classifier((3, 64, 64), 10, architecture)
        arguments = {"aux_logits": False, "init_weights": True} if architecture == "googlenet" else {}
        expected = twin(architecture, **arguments)
    depth = torchvision().ops.StochasticDepth
    assert not [module for module in model.modules() if isinstance(module, nn.modules.dropout._DropoutNd | depth)]
    assert [module.rate for module in model.modules() if type(module) is Dropout] == [
        module.p for module in expected.modules() if isinstance(module, nn.Dropout)]
    assert [module.rate for module in model.modules() if isinstance(module, StochasticDepth)] == [
        module.p for module in expected.modules() if isinstance(module, depth)]


@pytest.mark.parametrize(("shape", "architecture", "message"), [
    ((3, 32, 32), "resnet19", r"model.architecture=resnet19 is no .* near are resnet18, "),
    ((2, 32, 32), "resnet18", r"needs images of 1 or 3 channels, got 2; use model=cnn"),
    ((3, 30, 30), "vit_b_16", r"cannot compute images of 30×30 \(.+\); add resize to preprocessing, "),
    ((3, 20, 20), "alexnet", r"cannot compute images of 20×20"),
    ((30,), "resnet18", r"model=torchvision needs images .* use model=mlp"),
    ((7, 3), "resnet18", r"model=torchvision needs images .* use model=lstm"),
])
def test_torchvision_refuses_what_it_cannot_compute(shape, architecture, message):
    with pytest.raises(ConfigError, match=message):
        classifier(shape, 10, architecture)


def test_torchvision_transformer_is_made_for_the_size_of_the_images():
    with torch.device("meta"):
        model = classifier((3, 48, 48), 10, "vit_b_16")
    assert model.encoder.pos_embedding.shape[1] == 3 * 3 + 1


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_torchvision_starts_with_the_weights_of_a_file_but_for_its_head(tmp_path, suffix):
    torch.manual_seed(0)
    # Old files do not count the batches that a normalization has seen.
    held = torchvision().models.get_model(SMALL, num_classes=12).state_dict()
    weights = {name: tensor for name, tensor in held.items() if not name.endswith("num_batches_tracked")}
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(weights, path)
    plain, model = (session(on_digits(*own), digits(60)).model.state_dict()
                    for own in ((), (f"model.init_from={path}",)))
    for name, tensor in model.items():
        source = weights.get(name)
        expected = plain[name] if source is None or name.startswith("fc.") else source
        assert torch.equal(tensor, expected), name


def test_torchvision_weights_that_do_not_fit_are_refused_by_name_before_training(tmp_path):
    weights = torchvision().models.get_model(SMALL).state_dict()
    weights["conv1.0.kernel"] = weights.pop("conv1.0.weight")
    torch.save(weights, tmp_path / "weights.pth")
    with pytest.raises(ConfigError, match=r"conv1.0.weight is absent there, \[24, 3, 3, 3\] here; conv1.0.kernel"):
        session(on_digits(f"model.init_from={tmp_path / 'weights.pth'}"), digits(60))


class Harm:
    def __reduce__(self):
        return (pytest.fail, ("code of a file ran",))


@pytest.mark.parametrize("held", [{"state_dict": {}}, [torch.ones(2)], {"a": Harm()}, b"no file of torch's"])
def test_torchvision_weights_that_are_none_are_refused(tmp_path, held):
    path = tmp_path / "weights.pth"
    path.write_bytes(held) if isinstance(held, bytes) else torch.save(held, path)
    with pytest.raises(ArtefactError, match=r"weights.pth refused: "):
        start([(on_digits(f"model.init_from={path}"), {})], "", [None], fused=False)
