"""Penalties on outputs, and adversarial inputs: closed forms of linear models, and torch's entropy."""

from dataclasses import replace

import pytest
import torch
from part_files import make, parts
from small_runs import digits, first_batch, session, table

from dlx.core.draws import Draws
from dlx.core.hooks import Moment

LINEAR = ("model=linear", "device.precision=float64", "optimizer=sgd", "optimizer.momentum=0")
IMAGES = replace(parts(*LINEAR), dataset=digits(100, own_test=True))


def moment(step=0, seeds=(0,)):
    return Moment(step, [0.1] * len(seeds), [], Draws(seeds, "any", step))


def test_confidence_penalty_is_minus_the_entropy():
    logits = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    penalty = make("regularizer", "confidence_penalty", strength=0.3).output_penalty(logits, logits, moment())
    torch.testing.assert_close(penalty, -0.3 * torch.distributions.Categorical(logits=logits).entropy())


def test_confidence_penalty_of_members_is_each_ones_own():
    part = make("regularizer", "confidence_penalty")
    part.strength = torch.tensor([0.1, 2.0], dtype=torch.float64)
    logits = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    both = part.output_penalty(logits, logits, moment(seeds=(0, 1)))
    for own, strength, found in zip(logits.chunk(2), (0.1, 2.0), both.chunk(2), strict=True):
        expected = make("regularizer", "confidence_penalty", strength=strength).output_penalty(own, own, moment())
        torch.testing.assert_close(found, expected)


def test_confidence_penalty_gradient_equals_finite_differences():
    logits = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2), requires_grad=True)
    part = make("regularizer", "confidence_penalty")
    assert torch.autograd.gradcheck(lambda values: part.output_penalty(values, values, moment()), logits)


def jacobian_step(made):
    """The gradient of a step with the penalty minus that without it, and the weights of the linear model."""
    gradients = []
    for regularizers in ({}, made.regularizers):
        built = session(replace(made, regularizers=regularizers))
        weight = built.model.head.weight.detach().clone()
        built.step(first_batch(built), 0, 0.0)
        gradients.append(built.model.head.weight.grad.clone())
    return gradients[1] - gradients[0], weight


def test_jacobian_of_one_linear_output_is_half_the_squared_weights():
    # v is 1 or -1, so that the estimate is exact: strength/2 · |w|², with the gradient strength · w.
    made = parts("dataset=diabetes", "loss=mse", "metric=[rmse]", "regularizer=[jacobian]",
                 "regularizer.jacobian.strength=0.7", "preprocessing=[standardize,scale_target]", *LINEAR)
    made = replace(made, dataset=table("regression"))
    gradient, weight = jacobian_step(made)
    torch.testing.assert_close(gradient, 0.7 * weight, rtol=1e-9, atol=1e-12)


def test_jacobian_estimate_has_no_bias():
    inputs = torch.randn(1, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    part = make("regularizer", "jacobian", strength=2.0, num_projections=1)
    rows = inputs.repeat(20_000, 1).requires_grad_()
    found = part.output_penalty(rows, rows @ weight.T, moment()).detach()
    assert found.mean().item() == pytest.approx(weight.square().sum().item(),
                                                abs=5 * (found.std() / len(found) ** 0.5).item())


def test_jacobian_through_the_layers_of_members_can_be_differentiated_twice():
    made = parts("model=mlp", "model.width=4", "model.activation=tanh", "regularizer=[jacobian]", *LINEAR[1:])
    built = session(replace(made, dataset=digits(100, own_test=True)))
    inputs = first_batch(built, 2).inputs
    params = [param.detach().clone().requires_grad_() for param in built.model.parameters()]
    names = [name for name, _ in built.model.named_parameters()]

    def penalty(*values):
        rows = inputs.clone().requires_grad_()
        outputs = torch.func.functional_call(built.model, dict(zip(names, values, strict=True)), rows)
        return made.regularizers["jacobian"].output_penalty(rows, outputs, moment())

    assert torch.autograd.gradcheck(penalty, params)


@pytest.mark.parametrize("num_steps", [1, 4])
def test_adversarial_inputs_of_a_linear_model_are_at_the_corner(num_steps):
    # The loss of a linear model rises along the sign of its weights, whatever the step.
    part = make("regularizer", "adversarial_training", epsilon=0.3, num_steps=num_steps, random_start=False)
    inputs = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    moved = part.on_inputs(inputs, lambda rows: (rows @ weight).exp(), moment())
    torch.testing.assert_close(moved, inputs + 0.3 * weight.sign())


def test_adversarial_inputs_stay_within_epsilon_and_raise_the_loss():
    made = replace(IMAGES, regularizers=parts("regularizer=[adversarial_training]").regularizers)
    built = session(made)
    batch, step = first_batch(built), built.state.group.step
    part = made.regularizers["adversarial_training"]
    losses_of = lambda rows: made.loss(built.model(rows), batch.targets)  # noqa: E731
    moved = part.on_inputs(batch.inputs, losses_of, moment())
    assert (moved - batch.inputs).abs().max() <= part.epsilon + 1e-12
    assert (losses_of(moved) > losses_of(batch.inputs)).all()
    loss, _ = step(batch, 0, [0.0])
    assert loss.item() > losses_of(batch.inputs).mean().item()


def test_adversarial_attack_sees_the_model_as_evaluation_does():
    made = replace(parts("model=cnn", "model.width=4", "model.dropout_rate=0.5", "regularizer=[adversarial_training]"),
                   dataset=digits(100, own_test=True))
    built, plain = session(made), session(replace(made, regularizers={}))
    for one in (built, plain):
        one.step(first_batch(one), 0, 0.0)
    # One pass in training mode: statistics were counted once.
    for buffer, expected in zip(built.model.buffers(), plain.model.buffers(), strict=True):
        assert buffer.is_floating_point() or torch.equal(buffer, expected)
    assert built.model.training
