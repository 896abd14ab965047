"""What the checks of data found, one sentence each. The mapping is what `dlx.core.subject.Subject.check_data` gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlx.report import words

SPLITS = ("val", "test")
# A classifier that tells splits apart no better than this, and a distance of distributions below it, is a remark.
MATERIAL_AUC, MATERIAL_DISTANCE = 0.6, 0.1
# Rows whose order has so little to do with targets are no remark: the share of neighbours beyond that by chance.
MATERIAL_ORDER = 0.05
Raw = Mapping[str, Any]


def problems(raw: Raw) -> Iterator[str]:
    """Yield what makes numbers of this data untrue, the worst first."""
    yield from _doubles(raw)
    yield from _leaking_columns(raw)
    yield from (_group(own) for own in raw["groups"] if own["is_leak"])
    yield from (text for own in raw["times"] for text in _time(own))
    yield from (text for text, is_material in _shifts(raw) if is_material)
    clashes = raw["conflicts"]
    if clashes is not None and clashes["rows"]["found"]:
        yield _conflicts(clashes, raw)


def remarks(raw: Raw) -> Iterator[str]:
    """Yield what is worth knowing."""
    yield from (text for text, is_material in _shifts(raw) if not is_material)
    yield from _inside(raw)
    yield from (_group(own) for own in raw["groups"] if not own["is_leak"] and any(
        count["found"] for count in own["shared"].values()))
    columns = raw["columns"]
    if columns is not None and columns["constant"]:
        yield f"{_listed('column', columns['constant'])} {_have(columns['constant'])} one value in train."
    if columns is not None and columns["identifiers"]:
        yield (f"{_listed('column', columns['identifiers'])} {_have(columns['identifiers'])} another whole number in "
               f"nearly every row: a number of the row rather than a fact about it.")
    yield from _order(raw["order"], float(raw["alpha"]))


def _doubles(raw: Raw) -> Iterator[str]:
    exact, near = raw["duplicates"], raw["near"]
    for label, count in exact["across"].items():
        if count["found"]:
            yield f"{_rows(count, label)} byte for byte: {_pairs(exact['pairs'][label])}."
    for label in near["beyond_chance"]:
        if label in near["across"]:
            yield f"{_rows(near['across'][label], label)} nearly: {_pairs(near['pairs'][label])}."
    yield from _effects(raw)


def _rows(count: Raw, label: str) -> str:
    first, _, second = label.partition(" in ")
    verb = "is" if count["found"] == 1 else "are"
    return f"{count['found']:,} of {count['of']:,} {first} rows {verb} also in {second},"


def _pairs(pairs: Sequence[Sequence[float]]) -> str:
    shown = ", ".join(f"row {int(pair[0])} and {int(pair[1])}" for pair in pairs[:3])
    return shown + (" …" if len(pairs) > 3 else "")


def _effects(raw: Raw) -> Iterator[str]:
    for split in SPLITS:
        item = next((own for own in raw["without_leaked"] if own["split"] == split), None)
        if item is not None:
            metric = str(item["metric"])
            yield (f"Without these rows {words.label(metric)} on {split} is "
                   f"{words.measured(metric, item['value_without'])} (n = {item['n_without']:,}) instead of "
                   f"{words.measured(metric, item['value'])} (n = {item['n']:,}).")


def _leaking_columns(raw: Raw) -> Iterator[str]:
    columns = raw["columns"]
    for leak in [] if columns is None else columns["leaks"][:5]:
        yield (f"{leak['column']} tells the target by itself: {leak['measure']} is {words.number(leak['value'])}; is "
               f"it known before the target is?")
    if columns is not None and len(columns["leaks"]) > 5:
        yield f"{len(columns['leaks']) - 5:,} more do so."


def _group(own: Raw) -> str:
    shared = ", ".join(f"{count['found']:,} of {count['of']:,} {split} rows" for split, count in own["shared"].items())
    text = f"{own['note']}: {shared} have a value that train has, too"
    if own["nearest"] is not None:
        text += (f"; {words.percent(own['nearest'])}% of held-out rows have the same value as their nearest train row "
                 f"({words.percent(own['by_chance'])}% by chance)")
    more = f"; results do not say how well other values of {own['note']} are told: split=grouped would"
    return text + (more if own["is_leak"] else "") + "."


def _time(own: Raw) -> Iterator[str]:
    for split, count in own["earlier"].items():
        if count["found"]:
            yield (f"{own['note']}: {count['found']:,} of {count['of']:,} {split} rows are earlier than the last of "
                   f"train ({own['last_of_train']}); results do not say how well the future is told: split=temporal "
                   f"would.")


def _shifts(raw: Raw) -> Iterator[tuple[str, bool]]:
    """Yield a sentence for each difference that is more than chance, and whether it is large."""
    for split, own in raw["shifts"].items():
        alpha, told, labels = float(own["alpha"]), own["classifier"], own["labels"]
        if told is not None and told["adjusted"] < alpha:
            yield (f"A linear classifier tells {split} rows from train rows: AUC {words.number(told['auc'])} "
                   f"({p_text(told['adjusted'])}).", told["auc"] >= MATERIAL_AUC)
        found = own["properties"]
        if found:
            yield (f"Of {own['num_properties']} properties, {len(found)} {'is' if len(found) == 1 else 'are'} "
                   f"distributed differently in {split} and train: {_properties(found)}.",
                   any(test["statistic"] == "KS" and test["value"] >= MATERIAL_DISTANCE for test in found))
        if labels is not None and labels["q_value"] < alpha:
            yield f"Targets are distributed differently in {split} and train ({p_text(labels['q_value'])}).", True


def _properties(found: Sequence[Raw]) -> str:
    shown = [f"{test['name']} ({test['statistic']} {words.number(test['value'])})" for test in found[:3]]
    return ", ".join(shown) + (" …" if len(found) > 3 else "")


def _conflicts(clashes: Raw, raw: Raw) -> str:
    best = f": no model can be right on more than {words.percent(clashes['most_right'])}% of all rows"
    is_class = "accuracy" in raw["greater_is_better"]
    examples = ", ".join(" and ".join(map(str, own[:2])) for own in clashes["examples"][:3])
    return (f"{clashes['rows']['found']:,} rows have an equal row with another target"
            f"{best if is_class else ''} (rows {examples}{' …' if clashes['groups'] > 3 else ''}).")


def _inside(raw: Raw) -> Iterator[str]:
    near = raw["near"]
    for split, count in raw["duplicates"]["within"].items():
        if count["found"]:
            yield f"{count['found']:,} of {count['of']:,} {split} rows repeat another row of {split}, byte for byte."
    for label in near["beyond_chance"]:
        if label in near["within"]:
            count = near["within"][label]
            yield f"{count['found']:,} of {count['of']:,} {label} rows nearly repeat another row of {label}."
    close = [label for label, count in near["across"].items() if count["found"] and label not in near["beyond_chance"]]
    if close:
        yield (f"Some rows lie close to one of another split ({', '.join(close)}), no more of them than chance makes "
               f"in data of about {near['dimension']:.0f} dimensions.")


def _order(found: Raw | None, alpha: float) -> Iterator[str]:
    if found is not None and found["adjusted"] < alpha:
        share, chance = float(found["equal_neighbours"]), float(found["expected"])
        if abs(share - chance) > MATERIAL_ORDER:
            yield (f"The order of rows says something about their targets: {words.percent(share)}% of neighbours have "
                   f"the same ({words.percent(chance)}% by chance; {p_text(found['adjusted'])}). A split that shuffles "
                   f"is not touched by that.")


def p_text(value: float) -> str:
    """Write a p-value."""
    return "p < 0.001" if value < 1e-3 else f"p = {value:.2g}"


def _listed(noun: str, names: Sequence[str]) -> str:
    shown = ", ".join(map(str, names[:5]))
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{noun.capitalize()}{'s' if len(names) > 1 else ''} {shown}{more}"


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"
