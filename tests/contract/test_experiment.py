"""What every preset of conf/experiment promises: a header that states it, and a configuration that builds."""

import re

import pytest
from part_files import CONF, option_names, parts, saved

NAMES = option_names("experiment")
STATED = ("Question", "Command", "Minutes", "Numbers")
every_preset = pytest.mark.parametrize("option", NAMES)


def header(option):
    """The comment lines at the top of a preset, by the word that each begins with."""
    lines = (CONF / "experiment" / f"{option}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    comments = []
    for line in lines[1:]:
        if not line.startswith("#"):
            break
        text = line.lstrip("# ").strip()
        if re.match(r"\w+:", text):
            comments.append(text)
        elif comments:
            comments[-1] += f" {text}"
    return {word: meaning.strip() for word, _, meaning in (comment.partition(":") for comment in comments)}


@every_preset
def test_preset_opens_with_question_command_minutes_and_numbers(option):
    stated = header(option)
    # Data says where files lie that are not downloaded.
    assert tuple(stated) in (STATED, (*STATED, "Data"))
    assert stated["Question"].endswith("?")
    assert f"experiment={option}" in stated["Command"]
    assert all(re.search(r"\d", stated[word]) for word in ("Minutes", "Numbers"))
    assert "seed" in stated["Numbers"]


@every_preset
def test_preset_composes_and_builds(option):
    made = parts(f"experiment={option}")
    assert made.settings.epochs > 0
    assert saved(f"experiment={option}") != saved()


@every_preset
def test_preset_gives_way_to_what_is_typed(option):
    changed = saved(f"experiment={option}", "epochs=7", "seed=3", "model=linear", "regularizer=[none]")
    assert (changed["epochs"], changed["seed"], changed["model"], changed["regularizer"]) == (
        7, 3, saved("model=linear")["model"], {})
