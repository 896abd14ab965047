"""One column of a table in memory: numbers, or categories as codes. N rows."""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.own_data.own_file import Place
from dlx.core.types import Column

if TYPE_CHECKING:
    import pandas as pd

Wanted = Literal["number", "category"]
Form = Literal["number", "text", "date", "other"]
# From here on, whole numbers are not all different in float64.
EXACT = 2**53
# Texts of which more than half differ tell one row from another and nothing else; of so few nothing can be said.
FEW_TEXTS = 20
# Texts that are looked at to tell dates from other texts.
SAMPLE = 20
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?|\d{1,2}[./-]\d{1,2}[./-](\d{2}|\d{4})")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_WORDS = (str, bool, np.bool_, int, float, np.number, decimal.Decimal)
_TIMES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)


class Coded(NamedTuple):
    """A column as categories: codes [N], -1 where the value is missing; names by code, in order."""

    codes: np.ndarray
    names: tuple[str, ...]

    @property
    def floats(self) -> np.ndarray:
        """The codes as float64 [N], NaN where the value is missing."""
        return np.where(self.codes < 0, np.nan, self.codes.astype(np.float64))


def form_of(values: pd.Series) -> Form:
    """Say what a column holds, by its type and, of Python's objects, theirs."""
    from pandas.api import types

    dtype: Any = values.dtype
    if types.is_bool_dtype(dtype) or dtype.name == "category":
        return "text"
    if types.is_numeric_dtype(dtype):
        return "other" if dtype.kind == "c" else "number"
    if dtype.kind in "mM" or types.is_datetime64_any_dtype(dtype):
        return "date"
    if not types.is_object_dtype(dtype):
        return "text" if types.is_string_dtype(dtype) else "other"
    kinds = set(map(type, values.dropna()))
    if all(issubclass(kind, _TIMES) for kind in kinds):
        return "date" if kinds else "number"
    if not all(issubclass(kind, _WORDS) for kind in kinds):
        return "other"
    return "text" if any(issubclass(kind, str | bool | np.bool_) for kind in kinds) else "number"


def read(values: pd.Series, name: str, wanted: Wanted | None, place: Place) -> tuple[Column, np.ndarray]:
    """Return an input column and its values, float64 [N].

    Args:
        wanted: what it was said to be; None to tell by its values.

    Raises:
        ConfigError: it cannot be an input, or not the one that was wanted.
    """
    where = f"{place.name}: column {name}"
    form = form_of(values)
    if form in ("date", "other"):
        raise ConfigError(no_input(where, name, form))
    if wanted == "number" or (wanted is None and form == "number"):
        found = numbers(values, where, place)
        if wanted is None:
            _refuse_inexact(values, found, where, name)
        result = Column(name), found
    else:
        coded = categories(values)
        if wanted is None:
            refuse_mixed(values, coded, where, place, typed(name, "category"))
            _refuse_texts(coded, where, name)
        result = Column(name, coded.names), coded.floats
    if np.isnan(result[1][0]) and np.isnan(result[1]).all():
        raise ConfigError(f"{where} has no value in any row; leave it out: {typed(name, 'ignore')}")
    return result


def no_input(where: str, name: str, form: str) -> str:
    """Say that a column of dates, or of what is neither number nor text, is no input."""
    if form == "date":
        return (f"{where} holds dates, which are no inputs; keep it to split by: {typed_note(name)}, leave it "
                f"out: {typed(name, 'ignore')}, or write numbers in its place, such as the day of the year")
    return (f"{where} holds neither numbers nor text; leave it out: {typed(name, 'ignore')}, or write a "
            f"column of each of its parts")


def numbers(values: pd.Series, where: str, place: Place) -> np.ndarray:
    """Return a column as float64 [N], NaN where a value is missing.

    Raises:
        ConfigError: a value is no number, or infinite; says where.
    """
    import pandas as pd

    if form_of(values) == "number":
        found = values.to_numpy(np.float64, na_value=np.nan)
    else:
        read = pd.to_numeric(values, errors="coerce")
        odd = np.flatnonzero((read.isna() & values.notna()).to_numpy())
        if len(odd):
            raise ConfigError(f"{where} should hold numbers, and {place.rows(odd[:1].tolist())} holds "
                              f"{str(values.iloc[odd[0]])!r}; mend {_these(len(odd))} or leave the cells empty")
        found = read.to_numpy(np.float64, na_value=np.nan)
    infinite = np.isinf(found)
    if infinite.any():
        rows = np.flatnonzero(infinite).tolist()
        raise ConfigError(f"{where} is infinite in {place.rows(rows)}; write a number, or nothing where it is missing")
    return found


def categories(values: pd.Series) -> Coded:
    """Return a column as categories: those that occur, numbers by size and texts by alphabet.

    Spaces around a text do not count; of a text without anything else the value is missing.
    """
    import pandas as pd

    codes, found = pd.factorize(values)
    written = [category_name(value) for value in found]
    names = ordered({name for name in written if name})
    positions = {name: position for position, name in enumerate(names)}
    # The last stands for code -1, a missing value.
    places = np.array([*(positions.get(name, -1) for name in written), -1], np.int64)
    return Coded(places[codes], names)


def codes_of(values: pd.Series, names: Sequence[str]) -> np.ndarray:
    """Return the codes of categories that are known, float64 [N], NaN where a value is missing.

    A category that is not known has the code after the last known one: encoders fitted on train never saw it.
    """
    coded = categories(values)
    known = {name: float(code) for code, name in enumerate(names)}
    places = np.array([*(known.get(name, float(len(names))) for name in coded.names), np.nan])
    codes: np.ndarray = places[coded.codes]
    return codes


def category_name(value: object) -> str:
    """Write a category: 3 and 3.0 are "3"."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return str(value).strip()


def ordered(names: set[str]) -> tuple[str, ...]:
    """Sort names: by size where all are numbers, else by alphabet."""
    if all(map(is_number, names)):
        return tuple(sorted(names, key=lambda name: (float(name), name)))
    return tuple(sorted(names))


def is_number(text: str) -> bool:
    """Say whether a text is a number."""
    try:
        return not np.isnan(float(text)) and "_" not in text
    except ValueError:
        return False


def refuse_mixed(values: pd.Series, coded: Coded, where: str, place: Place, otherwise: str) -> None:
    """Raise ConfigError where some texts of a column are numbers and some are not; says the first of the fewer.

    Args:
        otherwise: what to type where both are categories.
    """
    number = np.array([is_number(text) for text in coded.names], bool)
    comma = [text for text in coded.names if _COMMA.fullmatch(text)]
    if comma and len(comma) + number.sum() == len(number):
        raise ConfigError(f"{where} holds numbers with a comma, such as {comma[0]!r}: dataset.decimal=comma reads them "
                          f"where the comma is the decimal point, with dataset.separator=semicolon or tab")
    if not number.any() or form_of(values) != "text":
        return
    present = coded.codes >= 0
    is_word = ~number[coded.codes[present]]
    if not is_word.any():
        raise ConfigError(f"{where} holds numbers as text, such as {coded.names[0]!r}; say what they are: {otherwise}, "
                          f"or write them as numbers")
    few_words = is_word.sum() <= len(is_word) / 2
    odd = np.flatnonzero(present)[is_word == few_words]
    text = coded.names[coded.codes[odd[0]]]
    kinds = ("numbers", "text") if few_words else ("text", "a number")
    raise ConfigError(f"{where} holds {kinds[0]}, and in {place.rows(odd[:1].tolist())} {kinds[1]}: {text!r}, one of "
                      f"{len(odd)} such {'row' if len(odd) == 1 else 'rows'}; mend {_these(len(odd))}, write "
                      f"dataset.missing=[{as_item(text)}] where that means a missing value, or "
                      f"{otherwise} where each is a category")


def typed(name: str, kind: str) -> str:
    """Write what is typed to say what a column is."""
    key = re.sub(r"([()\[\]{}:=,\\])", r"\\\1", name)
    return f"dataset.types={{{key}: {kind}}}"


def typed_note(name: str) -> str:
    """Write what is typed to keep a column beside the inputs."""
    return f"dataset.notes=[{as_item(name)}]"


def as_item(text: str) -> str:
    """Write a text as an item of a list that is typed."""
    return text if re.fullmatch(r"[A-Za-z0-9_.+-]+( [A-Za-z0-9_.+-]+)*", text) else f"'{text}'"


def _these(count: int) -> str:
    return "it" if count == 1 else f"these {count} rows"


def are_dates(coded: Coded) -> bool:
    """Say whether texts are dates, by the first of them."""
    return bool(coded.names) and all(_DATE.fullmatch(text) for text in coded.names[:SAMPLE])


def _refuse_texts(coded: Coded, where: str, name: str) -> None:
    if are_dates(coded):
        raise ConfigError(no_input(where, name, "date"))
    num_values = int((coded.codes >= 0).sum())
    if len(coded.names) > max(FEW_TEXTS, num_values / 2):
        raise ConfigError(f"{where} has {len(coded.names)} different texts in {num_values} rows: names of rows or free "
                          f"text; leave it out: {typed(name, 'ignore')}, keep it to split by: {typed_note(name)}, "
                          f"or {typed(name, 'category')} if it is one")


def _refuse_inexact(values: pd.Series, found: np.ndarray, where: str, name: str) -> None:
    if getattr(values.dtype, "kind", "O") == "f" or (np.fmax.reduce(found) < EXACT
                                                     and np.fmin.reduce(found) > -EXACT):
        return
    raise ConfigError(f"{where} holds whole numbers of {EXACT:,} and beyond, which float64 cannot tell apart: names of "
                      f"rows? Leave it out: {typed(name, 'ignore')}, or say "
                      f"{typed(name, 'category')} or {typed(name, 'number')}")
