"""Folders of recordings: which samples, rate, classes and notes come of them."""

import io

import numpy as np
import pytest
import soundfile
from folders import RECORDINGS, recordings, tarred, tone, wav, written, zipped
from scipy.signal import resample_poly

from dlx.core.errors import ConfigError
from dlx.core.own_data.audio_file import decode_audio
from dlx.core.own_data.decode import UnreadableError
from dlx.core.types import Rows
from dlx.dataset.audio_folder import AudioFolder


def samples(data):
    return soundfile.read(io.BytesIO(data), dtype="float32")[0]


@pytest.mark.parametrize("make", [written, tarred, lambda path, files: tarred(path, files, "w:gz"), zipped])
def test_audio_folder_gives_the_samples_of_the_files_in_order_of_names(tmp_path, make):
    arrays = recordings(make(tmp_path / "data", RECORDINGS)).load("")
    assert isinstance(arrays.inputs.values, np.memmap)
    assert arrays.inputs.values.dtype == np.float32
    assert arrays.inputs.lengths.tolist() == [50, 60, 70, 80] * 2
    for found, name in zip(arrays.inputs.items(), sorted(RECORDINGS), strict=True):
        assert np.array_equal(found, samples(RECORDINGS[name]))
    assert arrays.targets.tolist() == [0] * 4 + [1] * 4
    assert arrays.notes["file"].tolist() == sorted(RECORDINGS)
    assert (arrays.spec.layout, arrays.spec.sample_rate, arrays.spec.class_names) == ("audio", 8000, ("high", "low"))
    rows = np.array([5, 0])
    assert arrays.inputs[rows].lengths.tolist() == [60, 50]


def test_audio_folder_pattern_of_one_folder_tells_class_speaker_and_index(tmp_path):
    files = {f"recordings/{digit}_{speaker}_{index}.wav": wav(tone(40 + index)) for digit in range(3)
             for speaker in ("ann", "bob") for index in range(2)}
    arrays = recordings(tarred(tmp_path / "a.tar", files), pattern="{label}_{speaker}_{index}").load("")
    assert arrays.spec.class_names == ("0", "1", "2")
    assert arrays.targets.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert arrays.notes["speaker"].tolist() == ["ann", "ann", "bob", "bob"] * 3
    assert arrays.notes["index"].tolist() == ["0", "1"] * 6
    rows = Rows(arrays.targets, "classification", None, arrays.notes)
    assert set(rows.notes) == {"file", "speaker", "index"}


def test_audio_folder_resamples_while_decoding(tmp_path):
    files = {f"{name}/{rate}.wav": wav(tone(rate // 10, rate=rate), rate) for name in "ab"
             for rate in (8000, 11025, 16000)}
    arrays = recordings(written(tmp_path, files), sample_rate=16000).load("")
    assert arrays.spec.sample_rate == 16000
    assert arrays.inputs.lengths.tolist() == [1600, 1600, 1600] * 2
    for found, name in zip(arrays.inputs.items(), sorted(files), strict=True):
        rate = int(name[2:-4])
        up, down = {8000: (2, 1), 11025: (640, 441), 16000: (1, 1)}[rate]
        given = samples(files[name])
        assert np.allclose(found, given if rate == 16000 else resample_poly(given, up, down), atol=1e-6)
        # Away from its ends the same tone at the new rate.
        assert np.abs(found[300:-300] - tone(1600, rate=16000)[300:-300]).max() < 0.01


def test_audio_folder_mixes_channels_to_their_mean(tmp_path):
    left, right = tone(100, 300), tone(100, 500)
    files = {f"{name}/1.wav": wav(np.stack([left, right], axis=1)) for name in "ab"}
    arrays = recordings(written(tmp_path, files)).load("")
    assert np.abs(next(arrays.inputs.items()) - (left + right) / 2).max() < 1e-4


def test_audio_folder_has_a_test_set_of_its_own(tmp_path):
    files = {f"{part}/{name}": data for part in ("train", "test") for name, data in RECORDINGS.items()}
    assert recordings(written(tmp_path / "a", files)).load("").test_ids.tolist() == list(range(8))
    both = recordings(written(tmp_path / "b", RECORDINGS), written(tmp_path / "c", RECORDINGS)).load("")
    assert both.test_ids.tolist() == list(range(8, 16))


def test_audio_folder_reads_more_recordings_without_labels(tmp_path):
    data = recordings(written(tmp_path / "data", RECORDINGS))
    arrays = data.load("")
    others = written(tmp_path / "others", {"x.wav": wav(tone(70)), "y.flac": wav(tone(30), format="FLAC")})
    inputs, names = data.more(str(others), "", arrays.spec)
    assert (inputs.lengths.tolist(), names) == ([70, 30], ["x.wav", "y.flac"])
    inputs, names = data.more(str(others / "y.flac"), "", arrays.spec)
    assert (inputs.lengths.tolist(), names) == ([30], ["y.flac"])
    written(others, {"z.wav": wav(tone(70), 16000)})
    with pytest.raises(ConfigError, match=r"'z.wav' has 16000 .* the model takes 8000; resample it to that"):
        data.more(str(others), "", arrays.spec)


@pytest.mark.parametrize(("format", "subtype", "step"), [
    ("WAV", "PCM_U8", 2**-7), ("WAV", "PCM_16", 2**-15), ("WAV", "PCM_24", 2**-23), ("WAV", "FLOAT", 2**-24),
    ("FLAC", "PCM_16", 2**-15), ("FLAC", "PCM_24", 2**-23), ("WAVEX", "PCM_16", 2**-15)])
def test_decode_audio_knows_formats(format, subtype, step):
    found = decode_audio(wav(tone(500), 44100, format, subtype), None)
    assert (found.rate, found.samples.dtype, found.samples.shape) == (44100, np.float32, (500,))
    assert np.abs(found.samples - tone(500)).max() <= step


@pytest.mark.parametrize(("data", "said"), [
    (b"", "empty file of 0 bytes"), (b"hello" * 50, "it is no WAV or FLAC file"), (wav([]), "it holds no samples"),
    (wav(np.zeros((0, 2))), "it holds no samples"), (wav(tone(), subtype="FLOAT")[:-90], "cut short"),
    (wav(tone(5000), format="FLAC")[:-2000], "."),
    (wav(tone(), format="OGG", subtype="VORBIS"), "neither WAV nor FLAC"),
    (wav([0, np.nan], subtype="FLOAT"), "NaN or infinite"), (wav([0, np.inf], subtype="FLOAT"), "NaN or infinite"),
    (wav([0, -1.5], subtype="FLOAT"), r"loudest sample is 1\.5, beyond full scale")], ids=range(10))
def test_decode_audio_refuses(data, said):
    with pytest.raises(UnreadableError, match=said):
        decode_audio(data, None)


def test_decode_audio_resampled_stays_within_full_scale():
    square = np.sign(tone(4000, 100)) * 0.999
    found = decode_audio(wav(square), 11025)
    assert resample_poly(square, 441, 320).max() > 1
    assert np.abs(found.samples).max() == 1


@pytest.mark.parametrize("format", ["WAV", "FLAC"])
def test_decode_audio_of_any_bytes_is_a_waveform_or_refused(format):
    data, draw = wav(tone(600), format=format), np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(data)
        for place in draw.integers(0, min(len(data), 100), 2):
            changed[place] = draw.integers(256)
        try:
            found = decode_audio(bytes(changed[: draw.integers(40, len(data) + 1)]), None)
        except UnreadableError:
            continue
        assert found.samples.dtype == np.float32
        assert 0 <= np.abs(found.samples).max() <= 1


def test_audio_folder_real_spoken_digits(data_dir):
    arrays = AudioFolder("fsdd/recordings.tar", None, None, "{label}_{speaker}_{index}").load(str(data_dir))
    assert np.bincount(arrays.targets).tolist() == [300] * 10
    assert np.unique(arrays.notes["speaker"], return_counts=True)[1].tolist() == [500] * 6
    assert arrays.spec.sample_rate == 8000
    first = arrays.notes["file"].tolist().index("recordings/7_theo_3.wav")
    assert (arrays.targets[first], arrays.notes["speaker"][first]) == (7, "theo")
