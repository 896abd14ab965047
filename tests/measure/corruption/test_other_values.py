"""Values of corrupted clips, tables, texts and tokens, by hand or from a distribution."""

import numpy as np
import pytest

from dlx.core.ragged import Ragged
from dlx.core.types import Column
from dlx.measure.corruption.audio import audio_corruptions
from dlx.measure.corruption.series import series_corruptions, series_statistics
from dlx.measure.corruption.tables import table_corruptions, table_statistics
from dlx.measure.corruption.texts import NEIGHBOURS, decoded, encoded, text_corruptions, token_corruptions

AUDIO = {own.name: own for own in audio_corruptions(1000)}
TEXT = {own.name: own for own in text_corruptions()}
TOKEN = {own.name: own for own in token_corruptions(10)}


def clips(*lengths):
    draw = np.random.default_rng(0)
    return Ragged.of([(0.1 * draw.normal(size=length)).clip(-1, 1).astype(np.float32) for length in lengths])


@pytest.mark.parametrize(("severity", "decibel"), [(1, 30), (3, 10), (5, 0)])
def test_background_noise_has_the_ratio_of_each_clip(severity, decibel):
    sounds = clips(20000, 30000)
    sounds.values[20000:] *= 0.1
    noise = AUDIO["background_noise"](sounds, np.array([5, 9]), severity).values - sounds.values
    for start, end in ((0, 20000), (20000, 50000)):
        ratio = np.square(sounds.values[start:end]).mean() / np.square(noise[start:end]).mean()
        assert 10 * np.log10(ratio) == pytest.approx(decibel, abs=0.2)


def test_quiet_and_clipping_are_exact():
    sounds = Ragged.of([np.array([0.5, -0.25, 0.1], np.float32), np.array([0.2, 0.02], np.float32)])
    np.testing.assert_allclose(AUDIO["quiet"](sounds, np.arange(2), 1).values, sounds.values * 10 ** -0.3, rtol=1e-6)
    np.testing.assert_allclose(AUDIO["clipping"](sounds, np.arange(2), 1).values, [0.25, -0.25, 0.1, 0.1, 0.02])


def test_low_pass_keeps_low_tones_and_stops_high_ones():
    steps = np.arange(4000)
    low, high = (np.sin(np.pi * share * steps).astype(np.float32) * 0.5 for share in (0.05, 0.8))
    made = list(AUDIO["low_pass"](Ragged.of([low, high]), np.arange(2), 3).items())
    assert np.square(made[0][500:]).mean() == pytest.approx(np.square(low[500:]).mean(), rel=0.02)
    assert np.square(made[1][500:]).mean() < 1e-4 * np.square(high).mean()


def test_time_mask_is_one_span_of_its_share():
    sounds = Ragged.of([np.ones(length, np.float32) for length in (100, 250, 40)] * 40)
    for item in AUDIO["time_mask"](sounds, np.arange(120), 3).items():
        silent = np.flatnonzero(item == 0)
        assert len(silent) == round(0.3 * len(item))
        assert silent[-1] - silent[0] == len(silent) - 1


def test_packet_loss_silences_whole_packets_at_its_rate():
    sounds = Ragged.of([np.ones(1010, np.float32)] * 200)
    made = np.stack(list(AUDIO["packet_loss"](sounds, np.arange(200), 4).items()))
    packets = made[:, :1000].reshape(200, 50, 20)
    assert (packets.min(axis=2) == packets.max(axis=2)).all()
    assert (packets[:, :, 0] == 0).mean() == pytest.approx(0.3, abs=0.02)
    assert (made[:, 1000:].min(axis=1) == made[:, 1000:].max(axis=1)).all()


def test_series_keep_the_mark_of_their_steps_and_what_comes_after_them():
    draw = np.random.default_rng(0)
    steps = np.concatenate([draw.normal(3, 2, (30, 12, 2)), np.ones((30, 12, 1))], axis=2).astype(np.float32)
    steps[10:, 7:] = 0
    statistics = series_statistics(steps)
    known = steps[steps[:, :, -1] == 1][:, :-1]
    np.testing.assert_allclose(statistics.means, known.mean(axis=0, dtype=float), rtol=1e-6)
    np.testing.assert_allclose(statistics.stds, known.std(axis=0, dtype=float), rtol=1e-6)
    for corruption in series_corruptions(statistics):
        made = corruption(steps, np.arange(30), 5)
        assert (made[:, :, -1] == steps[:, :, -1]).all(), corruption.name
        assert (made[10:, 7:] == 0).all(), corruption.name
    masked = {own.name: own for own in series_corruptions(statistics)}["time_mask"](steps, np.arange(30), 5)
    counts = (np.abs(masked[:, :, 0] - statistics.means[0]) < 1e-6).sum(axis=1)
    assert (counts[:10] == 6).all()
    assert (counts[10:] == round(0.5 * 7)).all()


ROWS = np.column_stack([np.linspace(0, 10, 2001), np.tile([1.0, 3.0, np.nan], 667), np.arange(2001) % 4])
COLUMNS = (Column("a"), Column("b"), Column("kind", ("w", "x", "y", "z")))
TABLE = {own.name: own for own in table_corruptions(table_statistics(ROWS, COLUMNS))}
IDS = np.arange(2001)


def test_table_statistics_leave_out_what_is_missing():
    found = table_statistics(ROWS, COLUMNS)
    np.testing.assert_allclose(found.means, [5, 2, 0])
    np.testing.assert_allclose(found.stds, [ROWS[:, 0].std(), 1, 0])


def test_corrupted_numbers_of_tables_are_exact_and_codes_stay():
    shifted = TABLE["mean_shift"](ROWS, IDS, 2)
    np.testing.assert_allclose(np.abs(shifted[:, :2] - ROWS[:, :2])[ROWS[:, 1] > 0],
                               np.tile([ROWS[:, 0].std() / 2, 0.5], (1334, 1)))
    assert len(np.unique(np.sign(shifted[:, 0] - ROWS[:, 0]))) == 1, "all rows move alike"
    np.testing.assert_allclose(TABLE["mean_shift"](ROWS, IDS, 4) - ROWS, 2 * (shifted - ROWS))
    np.testing.assert_allclose(TABLE["scaling"](ROWS, IDS, 3)[:, 0], 1.2 * ROWS[:, 0])
    np.testing.assert_allclose(TABLE["quantile_clip"](ROWS, IDS, 4)[:, 0], ROWS[:, 0].clip(2, 8))
    noise = TABLE["feature_noise"](ROWS, IDS, 4)[:, 0] - ROWS[:, 0]
    assert noise.std() == pytest.approx(0.5 * ROWS[:, 0].std(), rel=0.05)
    for name in ("mean_shift", "scaling", "quantile_clip", "feature_noise"):
        made = TABLE[name](ROWS, IDS, 5)
        assert (made[:, 2] == ROWS[:, 2]).all()
        assert (np.isnan(made) == np.isnan(ROWS)).all()


def test_feature_dropout_puts_mean_or_most_frequent_category():
    made = TABLE["feature_dropout"](ROWS, IDS, 5)
    changed = ~((made == ROWS) | (np.isnan(made) & np.isnan(ROWS)))
    assert set(made[:, 0][changed[:, 0]]) == {5.0}
    assert set(made[:, 1][changed[:, 1]]) == {2.0}
    assert set(made[:, 2][changed[:, 2]]) == {0.0}
    assert changed[:, 0].mean() == pytest.approx(0.5, abs=0.04)


def test_random_category_is_always_another_one_and_all_are_as_likely():
    made = TABLE["random_category"](ROWS, IDS, 5)
    changed = made[:, 2] != ROWS[:, 2]
    assert changed.mean() == pytest.approx(0.5, abs=0.04)
    steps = (made[changed, 2] - ROWS[changed, 2]) % 4
    assert np.bincount(steps.astype(int), minlength=4)[1:].min() > 0.28 * changed.sum()
    assert (made[:, 0] == ROWS[:, 0]).all()


def test_tables_without_numbers_or_categories_have_no_corruption_of_them():
    numbers = {own.name for own in table_corruptions(table_statistics(ROWS[:, :1], ()))}
    codes = {own.name for own in table_corruptions(table_statistics(ROWS[:, 2:], COLUMNS[2:]))}
    assert numbers == {"feature_noise", "mean_shift", "scaling", "quantile_clip", "feature_dropout"}
    assert codes == {"feature_dropout", "random_category"}


WORDS = ["héllo wörld", "", "a", "  two  spaces ", "日本語 🦊 mixed text", "x" * 300]


def test_texts_come_back_as_they_were():
    texts = Ragged.of_texts(WORDS)
    some = texts[np.array([4, 1, 0])]
    for own in (texts, some):
        back = encoded(decoded(own, np.arange(len(own))))
        assert back.texts() == own.texts()


def test_character_swap_keeps_the_characters_and_swaps_neighbours_only():
    text = "".join(chr(ord("A") + at % 57) for at in range(2000))
    made = TEXT["character_swap"](Ragged.of_texts([text] * 5), np.arange(5), 5).texts()
    for own in made:
        assert sorted(own) == sorted(text)
        moved = [at for at in range(2000) if own[at] != text[at]]
        assert 0.2 < len(moved) / 2000 < 0.4
        assert all(own[at] in (text[at - 1], text[min(at + 1, 1999)]) for at in moved)


def test_character_delete_and_insert_have_their_rate():
    texts, ids = Ragged.of_texts(["abcde" * 200] * 20), np.arange(20)
    deleted = TEXT["character_delete"](texts, ids, 5)
    assert deleted.lengths.mean() == pytest.approx(800, rel=0.02)
    inserted = TEXT["character_insert"](texts, ids, 5)
    assert inserted.lengths.mean() == pytest.approx(1200, rel=0.02)
    letters = "".join(inserted.texts()).translate({ord(letter): None for letter in "abcde"})
    assert len(set(letters)) == 21


def test_typo_puts_a_neighbour_on_the_keyboard_of_the_same_case():
    text = "The Quick Brown FOX, 12 jumps! é" * 50
    made = TEXT["typo"](Ragged.of_texts([text]), np.array([3]), 5).texts()[0]
    assert len(made) == len(text)
    changed = [(before, after) for before, after in zip(text, made, strict=True) if before != after]
    assert len(changed) > 100
    for before, after in changed:
        assert after.lower() in NEIGHBOURS[before.lower()]
        assert after.isupper() == before.isupper()


def test_keyboard_neighbours_are_mutual():
    for letter, beside in NEIGHBOURS.items():
        assert all(letter in NEIGHBOURS[other] for other in beside), letter


def test_word_drop_drops_whole_words_at_its_rate_and_never_all():
    words = [f"w{at}" for at in range(100)]
    made = TEXT["word_drop"](Ragged.of_texts([" ".join(words)] * 30), np.arange(30), 4).texts()
    left = [own.split() for own in made]
    assert all(set(own) <= set(words) and own == sorted(own, key=words.index) for own in left)
    assert np.mean([len(own) for own in left]) == pytest.approx(70, abs=3)
    short = TEXT["word_drop"](Ragged.of_texts(["one two"] * 400), np.arange(400), 5).texts()
    assert {own.strip() for own in short} == {"one", "two", "one two"}


def test_texts_of_nothing_stay():
    for corruption in TEXT.values():
        made = corruption(Ragged.of_texts(WORDS), np.arange(6), 5).texts()
        assert made[1] == ""
        assert all(own for at, own in enumerate(made) if at != 1)


def test_tokens_are_replaced_by_others_and_padding_stays():
    tokens = np.tile(np.arange(10), (2000, 1))
    made = TOKEN["token_replace"](tokens, np.arange(2000), 4)
    assert (made[:, 0] == 0).all()
    assert ((made[:, 1:] >= 1) & (made[:, 1:] <= 9)).all()
    changed = made[:, 1:] != tokens[:, 1:]
    assert changed.mean() == pytest.approx(0.3, abs=0.01)
    counts = np.bincount(made[:, 5][made[:, 5] != 5], minlength=10)
    assert counts[[1, 2, 3, 4, 6, 7, 8, 9]].min() > 0.8 * counts.sum() / 8


def test_tokens_change_places_within_a_text():
    tokens = np.tile([3, 5, 7, 0, 0], (500, 1))
    made = TOKEN["token_swap"](tokens, np.arange(500), 5)
    assert (np.sort(made, axis=1) == np.sort(tokens, axis=1)).all()
    assert (made[:, 3:] == 0).all()
    assert (made != tokens).any()
