"""Transformer encoder against torch's own layers, its sums and its symmetries. B batch, L positions, D features."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from member_runs import assert_equals_solo, one
from part_files import make
from small_runs import InMemory
from torch import nn
from torch.nn import functional as f

from dlx.core.attention import Blocks, FeedForward, SelfAttention, angles, sinusoids, turned
from dlx.core.errors import ConfigError
from dlx.core.layers import StochasticDepth
from dlx.core.types import IGNORED, PADDING, Arrays, TaskSpec
from dlx.engine.build import flops_per_step, made_for

WIDTH, HEADS = 8, 2
SIZES = {"width": WIDTH, "num_heads": HEADS, "depth": 2, "feedforward_ratio": 3}
POSITIONS = ("learned", "sinusoidal", "rotary", "none")
FACTS = {"tokens": {"layout": "tokens", "input_shape": (6,), "vocabulary_size": 9},
         "series": {"layout": "series", "input_shape": (6, 3), "vocabulary_size": 0},
         "image": {"layout": "image", "input_shape": (3, 8, 7), "vocabulary_size": 0}}
every_positions = pytest.mark.parametrize("positions", POSITIONS)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def transformer(layout, kind="classification", **changes):
    return make("model", "transformer", **{**SIZES, **FACTS[layout], "num_outputs": 4, "kind": kind,
                                           "next_token": False, **changes}).double().eval()


def texts(num_rows=3, length=6):
    return torch.randint(1, 9, (num_rows, length))


def series(num_rows=3, length=6):
    return torch.cat([torch.randn(num_rows, length, 2, dtype=torch.float64),
                      torch.ones(num_rows, length, 1, dtype=torch.float64)], dim=2)


def blocks(length=6, depth=1, norm_placement="none", positions="none", is_causal=False):
    return Blocks(length, WIDTH, depth, HEADS, 3, positions, norm_placement, "gelu", 0.0, 0.0, is_causal).double()


@pytest.mark.parametrize("norm_placement", ["pre", "post"])
def test_block_is_the_encoder_layer_of_torch(norm_placement):
    ours = blocks(norm_placement=norm_placement)
    theirs = nn.TransformerEncoderLayer(WIDTH, HEADS, 3 * WIDTH, 0.0, "gelu", batch_first=True,
                                        norm_first=norm_placement == "pre").double()
    attention, feedforward = ours.layers[0].attention, ours.layers[0].feedforward
    for mine, other in ((attention.branch.outputs, theirs.self_attn.out_proj), (attention.norm, theirs.norm1),
                        (feedforward.branch.layers[0], theirs.linear1), (feedforward.norm, theirs.norm2),
                        (feedforward.branch.layers[2], theirs.linear2)):
        nn.init.normal_(mine.bias)
        other.load_state_dict(mine.state_dict())
    theirs.self_attn.load_state_dict({"in_proj_weight": attention.branch.inputs.weight,
                                      "in_proj_bias": attention.branch.inputs.bias}, strict=False)
    x = torch.randn(3, 6, WIDTH, dtype=torch.float64)
    is_there = torch.arange(6) < torch.tensor([[6], [3], [1]])
    # The layer of torch leaves out its last norm, which is that of the whole encoder.
    expected = theirs(x, src_key_padding_mask=~is_there)
    expected = f.layer_norm(expected, (WIDTH,)) if norm_placement == "pre" else expected
    torch.testing.assert_close(ours(x, is_there)[is_there], expected[is_there])
    torch.testing.assert_close(ours(x, None), f.layer_norm(theirs(x), (WIDTH,)) if norm_placement == "pre"
                               else theirs(x))


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("is_rotary", [False, True])
def test_attention_equals_its_formula_and_its_gradient(is_rotary, is_causal):
    layer = SelfAttention(WIDTH, HEADS, is_rotary, is_causal).double()
    x = torch.randn(2, 3, WIDTH, dtype=torch.float64, requires_grad=True)
    is_there = torch.tensor([[True, True, True], [True, True, False]])
    found = layer(x, is_there)
    size = WIDTH // HEADS
    for row in range(2):
        queries, keys, values = (layer.inputs(x[row]).chunk(3, dim=1))
        heads = []
        for start in range(0, WIDTH, size):
            query, key, value = (part[:, start : start + size] for part in (queries, keys, values))
            if is_rotary:
                query, key = (turned(part[None, None])[0, 0] for part in (query, key))
            scores = query @ key.T / math.sqrt(size)
            seen = torch.ones(3, 3).tril().bool() if is_causal else is_there[row].expand(3, 3)
            heads.append(scores.masked_fill(~seen, -math.inf).softmax(dim=1) @ value)
        torch.testing.assert_close(found[row], layer.outputs(torch.cat(heads, dim=1)))
    assert torch.autograd.gradcheck(lambda x: layer(x, is_there), (x,))


@every_positions
@pytest.mark.parametrize("norm_placement", ["pre", "post", "none"])
def test_blocks_have_the_gradient_of_finite_differences(norm_placement, positions):
    x = torch.randn(2, 3, WIDTH, dtype=torch.float64, requires_grad=True)
    layer = blocks(3, 1, norm_placement, positions)
    is_there = torch.tensor([[True, True, True], [True, True, False]])
    assert torch.autograd.gradcheck(lambda x: layer(x, is_there), (x,))


def num_weights(length, embedding, positions="learned", norm_placement="pre", outputs=4, depth=2):
    """The number of parameters of a transformer in closed form."""
    block = 4 * WIDTH * (WIDTH + 1) + 2 * 3 * WIDTH**2 + 4 * WIDTH
    norms = {"pre": 2 * depth + 1, "post": 2 * depth, "none": 0}[norm_placement]
    return (embedding + (length * WIDTH if positions == "learned" else 0) + depth * block + norms * 2 * WIDTH
            + outputs * (WIDTH + 1))


def num_of(model):
    return sum(param.numel() for param in model.parameters())


def test_transformer_has_the_parameters_of_its_formula():
    assert num_of(transformer("tokens")) == num_weights(6, 9 * WIDTH)
    assert num_of(transformer("series")) == num_weights(6, (3 + 1) * WIDTH)
    assert num_of(transformer("image")) == num_weights(4, (3 * 16 + 1) * WIDTH)
    assert num_of(transformer("image", patch_size=3)) == num_weights(9, (3 * 9 + 1) * WIDTH)
    for positions in POSITIONS:
        assert num_of(transformer("tokens", positions=positions)) == num_weights(6, 9 * WIDTH, positions)
    for placement in ("pre", "post", "none"):
        found = num_of(transformer("tokens", norm_placement=placement))
        assert found == num_weights(6, 9 * WIDTH, norm_placement=placement)


@every_positions
@pytest.mark.parametrize("kind", ["classification", "sequence"])
def test_transformer_of_tokens_does_not_depend_on_padding(kind, positions):
    model = transformer("tokens", kind, input_shape=(11,), positions=positions)
    x, answers = texts(), slice(None) if kind == "classification" else (slice(None), slice(6))
    for length in (7, 11):
        torch.testing.assert_close(model(f.pad(x, (0, length - 6), value=PADDING))[answers], model(x))
    assert not torch.allclose(model(f.pad(x, (0, 1), value=3))[answers], model(x))


@every_positions
def test_transformer_of_series_does_not_depend_on_padding(positions):
    model, x = transformer("series", input_shape=(11, 3), positions=positions), series()
    torch.testing.assert_close(model(f.pad(x, (0, 0, 0, 5))), model(x))


def test_transformer_of_an_empty_text_is_that_of_one_padding():
    model = transformer("tokens")
    empty = torch.full((2, 6), PADDING)
    assert model(empty).isfinite().all()
    torch.testing.assert_close(model(empty), model(empty[:, :1]))


@pytest.mark.parametrize("layout", ["tokens", "series"])
def test_transformer_without_positions_does_not_know_the_order(layout):
    x, order = texts() if layout == "tokens" else series(), torch.tensor([4, 2, 0, 5, 1, 3])
    for positions in POSITIONS:
        model = transformer(layout, positions=positions)
        assert torch.allclose(model(x[:, order]), model(x)) == (positions == "none")
    every = transformer(layout, "sequence", positions="none")
    torch.testing.assert_close(every(x[:, order]), every(x)[:, order])


@every_positions
def test_transformer_of_a_text_in_a_longer_one_depends_on_distances_alone_where_positions_are_turned(positions):
    # Attention of the last six positions among themselves, at two places.
    layer = blocks(11, 2, "pre", positions)
    x, is_there = torch.randn(2, 6, WIDTH, dtype=torch.float64), torch.ones(2, 11, dtype=torch.bool)
    is_there[:, :5] = False
    later = layer(f.pad(x, (0, 0, 5, 0)), is_there)[:, 5:]
    assert torch.allclose(later, layer(x, None)) == (positions in ("rotary", "none"))


def test_turned_queries_and_keys_have_products_of_their_distance_alone():
    query, key = torch.randn(2, 6, dtype=torch.float64)
    products = turned(query.expand(1, 1, 9, 6))[0, 0] @ turned(key.expand(1, 1, 9, 6))[0, 0].T
    for distance in range(-8, 9):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    torch.testing.assert_close(turned(query.expand(1, 1, 9, 6)).norm(dim=3), query.norm().expand(1, 1, 9))
    assert len({round(value, 6) for value in products[0].tolist()}) == 9


@pytest.mark.parametrize("width", [6, 7])
def test_sinusoids_are_those_of_the_paper(width):
    found = sinusoids(torch.zeros(1, 5, width, dtype=torch.float64))
    for place in range(5):
        for index in range(width):
            angle = place / 10000 ** (index // 2 * 2 / width)
            expected = math.cos(angle) if index % 2 else math.sin(angle)
            assert found[place, index].item() == pytest.approx(expected)


def test_angles_are_exact_to_float32_also_where_computation_is_in_bfloat16():
    assert angles(torch.zeros(1, 300, 8, dtype=torch.bfloat16)).dtype == torch.float32
    assert angles(torch.zeros(1, 300, 8, dtype=torch.float64)).dtype == torch.float64


def test_transformer_of_an_image_sees_its_patches_row_by_row_filled_with_zeros():
    model = transformer("image", patch_size=4)
    x = torch.randn(2, 3, 8, 7, dtype=torch.float64)
    filled = f.pad(x, (0, 1))
    patches = torch.stack([filled[:, :, top : top + 4, left : left + 4].flatten(1) for top in (0, 4)
                           for left in (0, 4)], dim=1)
    torch.testing.assert_close(model.embed(x), model.embed.linear(patches))


def test_transformer_drops_later_blocks_more_often():
    model = transformer("tokens", depth=4, stochastic_depth_rate=0.2)
    rates = [module.rate for module in model.modules() if isinstance(module, StochasticDepth)]
    assert rates == pytest.approx([0.05, 0.05, 0.1, 0.1, 0.15, 0.15, 0.2, 0.2])


def test_transformer_hidden_units_are_counted_by_position_and_example():
    seen = []
    layer = FeedForward(WIDTH, 12, "relu")
    layer.layers[1].register_forward_hook(lambda _, __, output: seen.append(output.shape))
    assert layer(torch.randn(2, 5, WIDTH)).shape == (2, 5, WIDTH)
    assert seen == [(10, 12)]


def test_transformer_work_of_a_step_has_the_products_of_attention():
    spec = TaskSpec("classification", "series", (6, 3), 4, tuple("abcd"))
    model = transformer("series").float()
    layers = 2 * 6 * (3 * WIDTH + 2 * (4 * WIDTH**2 + 6 * WIDTH**2)) + 2 * 4 * WIDTH
    attention = 2 * 2 * 2 * 6 * 6 * WIDTH
    assert flops_per_step(model, spec, 5) == 3 * 5 * (layers + attention)


@pytest.mark.parametrize(("changes", "message"), [
    ({"num_heads": 3}, r"^model\.num_heads must divide model\.width, got 3 and 8$"),
    ({"num_heads": 8, "positions": "rotary"}, r"heads of model\.width / model\.num_heads = 1 have an odd number"),
    ({"next_token": True, "kind": "sequence"}, r"would read the tokens that it is to tell; use model=gpt$")])
def test_transformer_says_what_cannot_be(changes, message):
    with pytest.raises(ConfigError, match=message):
        transformer("tokens", **changes)


def test_transformer_gives_one_answer_for_an_image():
    with pytest.raises(ConfigError, match="gives one answer for a whole image"):
        transformer("image", "sequence")


def test_transformer_is_told_that_targets_are_next_tokens():
    spec = TaskSpec("sequence", "tokens", (6,), 9, vocabulary_size=9, next_token=True)
    described, _ = one("dataset=modular_addition", "model=transformer")
    with pytest.raises(ConfigError, match="use model=gpt"):
        made_for(described.model, spec)
    assert made_for(described.model, replace(spec, next_token=False)) is not None


def marked_series(num_rows=140):
    """Series of two to six steps; the value is the sum of those that are marked."""
    draw = np.random.default_rng(4)
    mask = np.arange(6) < draw.integers(2, 7, (num_rows, 1))
    values = np.stack([draw.random((num_rows, 6)), draw.random((num_rows, 6)) < 0.5, mask], axis=2) * mask[:, :, None]
    targets = np.where(mask, values[:, :, 1] > 0, IGNORED)
    return InMemory(TaskSpec("sequence", "series", (6, 3), 2),
                    Arrays(values.astype(np.float32), targets.astype(np.int64), np.arange(112, num_rows)))


@pytest.mark.parametrize("norm_placement", ["pre", "post", "none"])
@every_positions
def test_transformers_of_images_together_are_those_alone(positions, norm_placement):
    assert_equals_solo([one("model=transformer", "model.width=8", "epochs=1", f"model.positions={positions}",
                            f"model.norm_placement={norm_placement}", "model.stochastic_depth_rate=0.3",
                            f"model.dropout_rate={rate}", f"seed={seed}") for seed, rate in enumerate((0.0, 0.4))])


def test_transformers_of_every_step_of_series_together_are_those_alone():
    assert_equals_solo([one("dataset=copy", "model=transformer", "model.width=8", "epochs=1", "metric=[token_accuracy]",
                            f"seed={seed}", data=marked_series()) for seed in range(2)])
