"""Attacks and dimensions beside other libraries, whose answers are kept."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from dlx.measure.attacks import Box, fgsm, pgd
from dlx.measure.features import two_nn

ORACLES = Path(__file__).parents[1] / "oracles"
EXPECTED = json.loads((ORACLES / "attacks.json").read_text())


def maker():
    spec = importlib.util.spec_from_file_location("make_attacks", ORACLES / "make_attacks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judge_of(model):
    def judge(inputs, targets):
        logits = model(inputs)
        return cross_entropy(logits, targets, reduction="none"), (logits.argmax(dim=1) != targets).double()

    return judge


def test_fgsm_moves_inputs_as_torchattacks_does():
    made = maker()
    model, inputs, targets = made.network()
    moved = fgsm(judge_of(model), inputs, targets, Box(made.EPSILON, 0.0, 1.0))
    assert moved.sum(dim=(1, 2, 3)).tolist() == pytest.approx(EXPECTED["fgsm"]["sum"], abs=1e-12)
    assert model(moved).argmax(dim=1).tolist() == EXPECTED["fgsm"]["said"]


def test_pgd_fools_whom_torchattacks_fools():
    made = maker()
    model, inputs, targets = made.network()
    worst = pgd(judge_of(model), inputs, targets, Box(made.EPSILON, 0.0, 1.0), made.STEPS, inputs)
    theirs = torch.tensor(EXPECTED["pgd"]["said"]) != targets
    # Theirs is the last point, here the worst one counts.
    assert 0 < theirs.sum() < len(targets)
    assert (worst.bool() | ~theirs).all()
    assert worst.sum() - theirs.sum() <= 1


def test_two_nn_agrees_with_the_regression_form_of_scikit_dimension():
    assert two_nn(maker().points()) == pytest.approx(EXPECTED["two_nn_fit"], rel=0.1)


@pytest.mark.slow
def test_libraries_still_say_so():
    for name in ("torchattacks", "skdim"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: pip install dlx[oracles]")
    again = maker().values()
    assert again["fgsm"]["sum"] == pytest.approx(EXPECTED["fgsm"]["sum"])
    assert again["pgd"]["said"] == EXPECTED["pgd"]["said"]
    assert again["two_nn_fit"] == pytest.approx(EXPECTED["two_nn_fit"])
