"""Corruptions of texts and of tokens. N texts, T characters of all of them together, L tokens.

A character is a Unicode code point. A text of which nothing would be left keeps its first character.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from dlx.core.augment.draws import ragged_uniforms, uniforms, whole
from dlx.core.ragged import Ragged
from dlx.core.types import PADDING
from dlx.measure.corruption.audio import RATES
from dlx.measure.corruption.kind import Change, Corruption

CHARACTER_RATES = (0.02, 0.05, 0.1, 0.15, 0.2)
# What lies beside each letter on an English keyboard.
NEIGHBOURS = {"q": "wa", "w": "qesa", "e": "wrds", "r": "etfd", "t": "rygf", "y": "tuhg", "u": "yijh", "i": "uokj",
              "o": "iplk", "p": "ol", "a": "qwsz", "s": "awedxz", "d": "serfcx", "f": "drtgvc", "g": "ftyhbv",
              "h": "gyujnb", "j": "huikmn", "k": "jiolm", "l": "kop", "z": "asx", "x": "zsdc", "c": "xdfv",
              "v": "cfgb", "b": "vghn", "n": "bhjm", "m": "njk"}
_LETTERS = np.array([ord(letter) for letter in "abcdefghijklmnopqrstuvwxyz"], np.uint32)
_WHITE = np.array([ord(sign) for sign in " \t\n\r\f\v\u00a0"], np.uint32)
_MOST_NEIGHBOURS = max(map(len, NEIGHBOURS.values()))


class Characters(NamedTuple):
    """Texts as code points: values uint32 [T], lengths int64 [N], ids int64 [N]."""

    values: np.ndarray
    lengths: np.ndarray
    ids: np.ndarray

    def uniforms(self, key: int) -> np.ndarray:
        """Draw a number in [0, 1) for every character, [T]."""
        return np.asarray(ragged_uniforms(key, torch.from_numpy(self.ids), torch.from_numpy(self.lengths)).numpy())

    def owners(self) -> np.ndarray:
        """Return the text of every character, [T]."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def kept(self, keep: np.ndarray) -> Characters:
        """Return the characters [T] that are kept; of a text without any, the first."""
        owners = self.owners()
        lost = np.bincount(owners[keep], minlength=len(self.lengths)) == 0
        firsts = (self.lengths.cumsum() - self.lengths)[lost & (self.lengths > 0)]
        keep = keep.copy()
        keep[firsts] = True
        return self._replace(values=self.values[keep], lengths=np.bincount(owners[keep], minlength=len(self.lengths)))


OnCharacters = Callable[[Characters, float, int], Characters]


def decoded(texts: Ragged, ids: np.ndarray) -> Characters:
    """Return texts, UTF-8 bytes one after the other, as code points."""
    values = texts.values[texts.offsets[0] : texts.offsets[-1]]
    starts = np.concatenate([[0], ((values & 0xC0) != 0x80).cumsum()])
    points = np.frombuffer(values.tobytes().decode().encode("utf-32-le"), np.uint32)
    return Characters(points, np.diff(starts[texts.offsets - texts.offsets[0]]), ids)


def encoded(texts: Characters) -> Ragged:
    """Return code points as texts."""
    sizes = 1 + (texts.values > 0x7F) + (texts.values > 0x7FF) + (texts.values > 0xFFFF)
    ends = np.concatenate([[0], sizes.cumsum()])
    offsets = ends[np.concatenate([[0], texts.lengths.cumsum()])].astype(np.int64)
    bytes_of = texts.values.astype("<u4").tobytes().decode("utf-32-le").encode()
    return Ragged(np.frombuffer(bytes_of, np.uint8), offsets)


def text_corruptions() -> list[Corruption]:
    """List the corruptions of texts."""
    return [
        Corruption("character_swap", CHARACTER_RATES, "a character and the next change places, with probability {}",
                   _on_texts(character_swap)),
        Corruption("character_delete", CHARACTER_RATES, "characters are left out, each with probability {}",
                   _on_texts(character_delete)),
        Corruption("character_insert", CHARACTER_RATES,
                   "a letter a to z that is drawn comes after a character, with probability {}",
                   _on_texts(character_insert)),
        Corruption("typo", CHARACTER_RATES,
                   "letters become one that lies beside them on an English keyboard, each with probability {}",
                   _on_texts(typo)),
        Corruption("word_drop", RATES, "words, between white space, are left out, each with probability {}",
                   _on_texts(word_drop)),
    ]


def _on_texts(function: OnCharacters) -> Change:
    def change(rows: Ragged, ids: np.ndarray, level: float, key: int) -> Ragged:
        return encoded(function(decoded(rows, ids), level, key))
    return change


def character_swap(texts: Characters, level: float, key: int) -> Characters:
    """Let characters change places with the next of the same text; of a row of such characters, the first of two."""
    owners, values = texts.owners(), texts.values.copy()
    wanted = texts.uniforms(key) < level
    wanted[:-1] &= owners[1:] == owners[:-1]
    wanted[-1:] = False
    # In a run of wanted places every second one, so that none takes part twice.
    places = np.arange(len(values))
    last_other = np.maximum.accumulate(np.where(~wanted, places, -1))
    swapped = np.flatnonzero(wanted & ((places - last_other) % 2 == 1))
    values[swapped], values[swapped + 1] = texts.values[swapped + 1], texts.values[swapped]
    return texts._replace(values=values)


def character_delete(texts: Characters, level: float, key: int) -> Characters:
    """Leave characters out."""
    return texts.kept(texts.uniforms(key) >= level)


def character_insert(texts: Characters, level: float, key: int) -> Characters:
    """Put letters behind characters."""
    drawn = texts.uniforms(key)
    wanted = drawn < level
    # What is left of a draw below level is uniform again.
    letters = _LETTERS[np.minimum((drawn[wanted] / level * len(_LETTERS)).astype(np.int64), len(_LETTERS) - 1)]
    values = np.insert(texts.values, np.flatnonzero(wanted) + 1, letters)
    added = np.bincount(texts.owners()[wanted], minlength=len(texts.lengths))
    return texts._replace(values=values.astype(np.uint32), lengths=texts.lengths + added)


def typo(texts: Characters, level: float, key: int) -> Characters:
    """Replace letters a to z and A to Z, capitals by capitals."""
    drawn = texts.uniforms(key)
    capitals = (texts.values >= ord("A")) & (texts.values <= ord("Z"))
    letters = texts.values.astype(np.int64) + 32 * capitals - ord("a")
    wanted = np.flatnonzero((drawn < level) & (letters >= 0) & (letters < len(_LETTERS)))
    table, counts = _neighbours()
    own = letters[wanted]
    which = np.minimum((drawn[wanted] / level * counts[own]).astype(np.int64), counts[own] - 1)
    values = texts.values.copy()
    values[wanted] = table[own, which] - 32 * capitals[wanted]
    return texts._replace(values=values)


def word_drop(texts: Characters, level: float, key: int) -> Characters:
    """Leave words out, with the white space before each; the first word of a text stays where all would go."""
    owners, white = texts.owners(), np.isin(texts.values, _WHITE)
    after_word = np.concatenate([[False], ~white])[: len(owners)]
    starts = np.concatenate([[True], owners[1:] != owners[:-1]])[: len(owners)] | (white & after_word)
    number = starts.cumsum() - 1
    owner = owners[starts]
    place = np.arange(len(owner)) - np.searchsorted(owner, owner, side="left")
    counts = np.bincount(owner, minlength=len(texts.lengths))
    drawn = ragged_uniforms(key, torch.from_numpy(texts.ids), torch.from_numpy(counts)).numpy()
    dropped = drawn < level
    left = np.bincount(owner[~dropped], minlength=len(texts.lengths))
    dropped[(place == 0) & (left[owner] == 0)] = False
    return texts.kept(~dropped[number])


def _neighbours() -> tuple[np.ndarray, np.ndarray]:
    table = np.zeros((len(_LETTERS), _MOST_NEIGHBOURS), np.uint32)
    counts = np.zeros(len(_LETTERS), np.int64)
    for letter, beside in NEIGHBOURS.items():
        row = ord(letter) - ord("a")
        table[row, : len(beside)] = [ord(other) for other in beside]
        counts[row] = len(beside)
    return table, counts


def token_corruptions(vocabulary_size: int) -> list[Corruption]:
    """List the corruptions of tokens [N, L] below `vocabulary_size`; PADDING stays."""
    def replace(rows: np.ndarray, ids: np.ndarray, level: float, key: int) -> np.ndarray:
        drawn = uniforms(key, torch.from_numpy(ids), 2 * rows.shape[1])
        wanted = (drawn[:, : rows.shape[1]].numpy() < level) & (rows != PADDING)
        others = 1 + whole(drawn[:, rows.shape[1] :], vocabulary_size - 2).numpy()
        return np.where(wanted, others + (others >= rows), rows).astype(rows.dtype)

    def swap(rows: np.ndarray, ids: np.ndarray, level: float, key: int) -> np.ndarray:
        drawn = uniforms(key, torch.from_numpy(ids), rows.shape[1]).numpy()[:, : rows.shape[1] - 1] < level
        wanted = drawn & (rows[:, 1:] != PADDING) & (rows[:, :-1] != PADDING)
        made = rows.copy()
        for at in range(rows.shape[1] - 1):
            own = wanted[:, at]
            made[own, at], made[own, at + 1] = made[own, at + 1], made[own, at].copy()
        return made

    replaced = [Corruption("token_replace", RATES, "another token, each as likely, with probability {}", replace)]
    return [*(replaced if vocabulary_size > 2 else []),
            Corruption("token_swap", RATES, "a token and the next change places, with probability {}", swap)]
