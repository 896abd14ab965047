"""Tables of a sweep in terminals of any width: what varies is there, no word is broken, nothing is cut off."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from dlx.cli.columns import headings, point_text
from dlx.cli.leaderboard import best_sentence, leaderboard, print_standings
from dlx.sweep.tables import Standing

NAN = float("nan")
# Widths at which all of it fits, the other metric does not, the settings share a column, and gaps are left out.
WIDTHS = {140: "all", 90: "one metric", 75: "one column", 50: "no gaps"}


def standing(model: str, lr: float, rate: float, loss: float, done: int = 3) -> Standing:
    point = {"model.part": model, "optimizer.lr": lr, "regularizer.dropout.rate": rate}
    numbers = {"loss": (loss, loss - 0.25, loss + 0.25), "accuracy": (0.5, NAN, NAN)}
    return Standing(point, done, 3, numbers, {"loss": (-0.0625, -0.125, 0.0), "accuracy": (0.125, NAN, NAN)}, numbers)


STANDINGS = [standing("mlp", 0.000123456789, 0.5, 1.5), standing("cnn", 0.01, 0.25, 2.5, done=2)]


def printed(width: int, standings: list[Standing] = STANDINGS) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(leaderboard(console, standings, "loss"))
    file = console.file
    assert isinstance(file, io.StringIO)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("width", WIDTHS)
def test_leaderboard_fits_and_breaks_no_word(width):
    lines = printed(width)
    words = " ".join(lines).split()
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    rates = {"dropout.rate=0.5", "dropout.rate=0.25"} if width < 80 else {"dropout.rate", "0.5", "0.25"}
    assert rates | {"1.5", "2.5", "±", "rank", "runs", "0.0001235" if width > 80 else "lr=0.0001235"} <= {*words}


@pytest.mark.parametrize(("width", "shown"), WIDTHS.items())
def test_leaderboard_leaves_out_what_matters_least_first(width, shown):
    text = "\n".join(printed(width))
    assert ("val accuracy" in text, "gap loss" in text, "settings" in text) == {
        "all": (True, True, False), "one metric": (False, True, False), "one column": (False, True, True),
        "no gaps": (False, False, True)}[shown]
    assert "val loss" in text
    assert "2 of 3" in text


def test_leaderboard_shows_the_best_twenty_and_says_how_many_more_there_are():
    console = Console(file=io.StringIO(), width=100)
    standings = [standing("mlp", 10.0**-number, 0.5, float(number)) for number in range(1, 24)]
    print_standings(console, standings, "loss")
    text = console.file.getvalue()
    assert [line.split()[0] for line in text.splitlines()[3:23]] == [str(rank) for rank in range(1, 21)]
    assert "… and 3 more in leaderboard.csv\nBest on val  model=mlp optimizer.lr=0.1 " in text


def test_leaderboard_of_seeds_alone_has_no_column_of_settings():
    for width in (30, 100):
        lines = printed(width, [Standing({}, 3, 3, {"loss": (1.5, 1.0, 2.0)}, {"loss": (0.5, 0.0, 1.0)}, {})])
        assert "settings" not in "".join(lines)
        assert "1.5 ± 0.5" in "".join(lines)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["model", "optimizer.lr", "seed"], ["model", "lr", "seed"]),
        (["seed", "split.seed"], ["seed", "split.seed"]),
        (["regularizer.dropout.rate", "regularizer.mixup.rate"], ["dropout.rate", "mixup.rate"]),
        (["model.width", "head.width", "model.depth"], ["model.width", "head.width", "depth"]),
        ([], []),
    ],
)
def test_headings_are_the_shortest_that_name_one_key(keys, expected):
    assert headings(keys) == expected


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("regularizer", "l2,dropout", "regularizer=[l2,dropout]"),
        ("regularizer", "none", "regularizer=none"),
        ("optimizer.betas", [0.9, 0.999], "optimizer.betas=[0.9,0.999]"),
        ("optimizer.lr", 1.234567890123e-05, "optimizer.lr=1.234567890123e-05"),
        ("optimizer.nesterov", True, "optimizer.nesterov=true"),
        ("max_failures", None, "max_failures=null"),
        ("name", "a b", "'name=a b'"),
    ],
)
def test_point_text_is_what_is_typed(key, value, expected):
    assert point_text({key: value}) == expected


def test_best_sentence_can_be_typed_again():
    first, second = best_sentence(STANDINGS[0], "loss").splitlines()
    assert first.endswith("model=mlp optimizer.lr=0.000123456789 regularizer.dropout.rate=0.5")
    assert second.endswith("loss 1.5 ± 0.25, accuracy 0.5  (3 runs)")
