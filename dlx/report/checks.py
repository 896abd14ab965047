"""Checks of data in words: what is wrong with the data, what is worth knowing, and what simple answers reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dlx.core.errors import ArtefactError
from dlx.core.measures import Measures
from dlx.record import layout
from dlx.report import words
from dlx.report.problems import Raw, p_text, problems, remarks
from dlx.report.section import Table

FORMAT = 1
FILE = f"{layout.MEASURES}/data.json"


@dataclass(frozen=True)
class Against:
    """A model against a simple answer on the same rows of a split; better: model, baseline or neither."""

    name: str
    title: str
    split: str
    measure: str
    difference: float
    n: int
    level: float
    better: str


@dataclass(frozen=True)
class Checks:
    """What was found.

    Args:
        problems: what makes numbers of this data untrue, one sentence each, the worst first.
        remarks: what is worth knowing.
        tables: duplicates, shift, and metrics without rows that train has.
        baselines: simple answers by split: a title and its metrics in the order of `metrics`.
        metrics: names.
        against: the model against simple answers; empty without a model.
        notes: how it was done.
        raw: what `dlx.core.subject.Subject.check_data` found.
    """

    problems: tuple[str, ...]
    remarks: tuple[str, ...]
    tables: tuple[Table, ...]
    baselines: Mapping[str, tuple[tuple[str, tuple[float | None, ...]], ...]]
    metrics: tuple[str, ...]
    against: tuple[Against, ...]
    notes: tuple[str, ...]
    raw: Raw


def parse_checks(measures: Measures) -> Checks | None:
    """Put what the section data measured into words; None where it measured nothing.

    Raises:
        ArtefactError: see `checks_of`.
    """
    return checks_of(measures.details) if measures.details else None


def checks_of(raw: Raw) -> Checks:
    """Put findings into words.

    Raises:
        ArtefactError: another format, a missing key or a value of the wrong type.
    """
    if raw.get("format") != FORMAT:
        raise ArtefactError(f"{FILE} has format {str(raw.get('format'))[:20]!r}; this version of dlx reads {FORMAT}")
    try:
        return Checks(tuple(problems(raw)), tuple(remarks(raw)), tuple(_tables(raw)), _baselines(raw), _metrics(raw),
                      tuple(_against(raw)), tuple(_notes(raw)), raw)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ArtefactError(f"{FILE} refused: {type(error).__name__} at {error}") from error


def _tables(raw: Raw) -> Iterator[Table]:
    exact, near = raw["duplicates"], raw["near"]
    rows = [(label, _share(count), _share(near["across"][label])) for label, count in exact["across"].items()]
    rows += [(f"{split}, twice", _share(count), _share(near["within"][split]))
             for split, count in exact["within"].items()]
    yield Table("Rows that occur twice", ("rows", "byte for byte", "nearly"), tuple(rows))
    if raw["shifts"]:
        columns = ("split", "AUC of a linear classifier", "properties that differ", "targets")
        yield Table("Difference from train", columns,
                    tuple(_shift_row(split, own) for split, own in raw["shifts"].items()))
    if raw["without_leaked"]:
        yield Table("With and without rows that train has", ("metric", "split", "all", "n", "without", "n without"),
                    tuple((words.label(str(own["metric"])), str(own["split"]),
                           words.measured(str(own["metric"]), own["value"]), f"{own['n']:,}",
                           words.measured(str(own["metric"]), own["value_without"]), f"{own['n_without']:,}")
                          for own in raw["without_leaked"]))


def _share(count: Raw) -> str:
    return f"{count['found']:,} of {count['of']:,}"


def _shift_row(split: str, own: Raw) -> tuple[str, ...]:
    told, labels = own["classifier"], own["labels"]
    return (split, "–" if told is None else f"{words.number(told['auc'])} ({p_text(told['adjusted'])})",
            f"{len(own['properties'])} of {own['num_properties']}",
            "–" if labels is None else p_text(labels["q_value"]))


def _metrics(raw: Raw) -> tuple[str, ...]:
    return tuple(map(str, raw["greater_is_better"]))


def _baselines(raw: Raw) -> dict[str, tuple[tuple[str, tuple[float | None, ...]], ...]]:
    values = {(own["baseline"], own["split"], own["metric"]): own["value"] for own in raw["baselines"]}
    splits = dict.fromkeys(str(own["split"]) for own in raw["baselines"])
    return {split: tuple((str(own["title"]), tuple(_number(values.get((own["name"], split, metric)))
                                                   for metric in _metrics(raw))) for own in raw["made"])
            for split in splits}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _against(raw: Raw) -> Iterator[Against]:
    titles = {own["name"]: str(own["title"]) for own in raw["made"]}
    for own in raw["against"]:
        yield Against(str(own["baseline"]), titles[own["baseline"]], str(own["split"]), str(own["measure"]),
                      float(own["difference"]), int(own["n"]), float(own["level"]), str(own["better"]))


def _notes(raw: Raw) -> Iterator[str]:
    near, total = raw["near"], sum(raw["num_rows"].values())
    compared, some = int(raw["num_compared"]), sum(near["num_rows"].values())
    cut = "" if near["is_complete"] else "; the search was cut short, so there may be more"
    yield (f"Byte for byte: by hash of what the dataset gives, on {_of(compared, total)}. Nearly: closer than "
           f"{words.number(near['threshold'])}, 0.13 of the median distance of a row to its nearest, by Euclidean "
           f"distance of {raw['features']}, on {_of(some, total)}{cut}.")
    yield (f"Differences: a ridge regression on which split a row is of, in 5 folds, with the p-value of 999 "
           f"permutations; Kolmogorov and Smirnov's test of each property, or chi-squared for categories, corrected "
           f"together by Benjamini and Hochberg; chi-squared or Kolmogorov and Smirnov's for targets. p-values of "
           f"classifiers, targets and the order of rows are corrected together by Holm; alpha is {raw['alpha']:g}.")
    if raw["made"]:
        yield (f"Simple answers come from all train rows and are measured on all rows{_fewer(raw)}. The proportions of "
               f"train have expected values, where those have a closed form; a neighbour has no probabilities.")


def _fewer(raw: Raw) -> str:
    """Write which simple answers come from fewer rows, or are measured on fewer."""
    part = [f"{own['title']} from {_of(int(own['fitted_on']), int(own['of_rows']))}" for own in raw["made"]
            if own["fitted_on"] < own["of_rows"]]
    sizes = {(own["baseline"], own["split"]): int(own["n"]) for own in raw["baselines"]}
    names = {own["name"]: str(own["title"]).partition(":")[0] for own in raw["made"]}
    for name, title in names.items():
        own = [f"{n:,} {split}" for (answer, split), n in sizes.items()
               if answer == name and n < int(raw["num_rows"][split])]
        part += [f"{title} measured on {' and '.join(own)} rows"] if own else []
    return f", but {', '.join(part)}" if part else ""


def _of(some: int, total: int) -> str:
    return f"all {total:,} rows" if some == total else f"{some:,} of {total:,} rows"
