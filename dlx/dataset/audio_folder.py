"""Recordings of the user's own, in a folder per class or with the class in their names. N recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.own_data.archive import Files
from dlx.core.own_data.array_file import ArrayFile
from dlx.core.own_data.audio_file import SUFFIXES, Waveform, decode_audio, require_soundfile
from dlx.core.own_data.class_folders import ClassFolders
from dlx.core.own_data.decode import decoded
from dlx.core.ragged import Ragged
from dlx.core.ranges import Range
from dlx.core.types import Arrays, TaskSpec


class AudioFolder(ClassFolders):
    """WAV or FLAC files of any length in one folder per class, or with the class in their names; mixed to one channel.

    They lie in a folder or in a tar, tar.gz or zip archive, perhaps in folders train, val and test: test is the
    dataset's own test set, and the note "part" tells the three apart, for split=predefined. They are decoded once, into
    the prepared cache.

    Args:
        path: the folder or archive; relative to the current folder, else to data_dir.
        test_path: another one, with the same classes, that is the dataset's own test set; null for none.
        sample_rate: samples per second to resample to; null where all files have one rate.
        pattern: of names of files, such as "{label}_{speaker}_{index}", that tells the class instead of folders; null
            for folders. Its other fields become notes of rows, for split=grouped split.column=speaker.
    """

    OPTION = "audio_folder"
    what = "recording"
    suffixes = SUFFIXES

    def __init__(self, path: str, test_path: str | None,
                 sample_rate: Annotated[int, Range("[100, 1000000]")] | None, pattern: str | None) -> None:
        super().__init__(path, test_path, pattern)
        self.sample_rate = sample_rate

    def load(self, data_dir: str) -> Arrays:
        """Return inputs, Ragged float32 in [-1, 1], memory-mapped, and targets [N]; rows are in the order of names.

        Raises:
            ConfigError: files that are damaged, dangerous, no recordings or of several rates; says which.
            StorageError: files cannot be read, or the prepared cache cannot be written.
        """
        require_soundfile()
        decoders = {name: version(name) for name in ("soundfile", "scipy")}
        copy, found = self.labelled(data_dir, {"sample_rate": self.sample_rate, **decoders})
        spec = TaskSpec("classification", "audio", (), len(found.class_names), found.class_names,
                        sample_rate=copy.facts["sample_rate"])
        inputs = Ragged(copy.arrays["values"], np.asarray(copy.arrays["offsets"]))
        return Arrays(inputs, found.targets, found.test_ids, found.notes, spec)

    def more(self, path: str, data_dir: str, spec: TaskSpec) -> tuple[Ragged, list[str]]:
        """Read recordings without labels, a file or all of a folder or archive, at the rate of the spec.

        Returns:
            inputs and names [N].

        Raises:
            ConfigError, StorageError: see `load`.
        """
        require_soundfile()
        with self.unlabelled(path, data_dir) as (where, files):
            names, waves = zip(*self._waves(where, files, spec.sample_rate), strict=True)
        return Ragged.of([wave.samples for wave in waves]), list(names)

    def decode(self, paths: Sequence[Path], files: Sequence[Files], folder: Path) -> dict[str, Any]:
        """Write values and offsets; return the sample rate."""
        lengths, rate = [0], 0
        with ArrayFile(folder / "values.npy", np.float32) as file:
            for _, wave in self._waves(paths, files, None):
                file.append(wave.samples)
                lengths.append(len(wave.samples))
                rate = wave.rate
        with ArrayFile(folder / "offsets.npy", np.int64) as file:
            file.append(np.cumsum(lengths, dtype=np.int64))
        return {"sample_rate": rate}

    def _waves(self, paths: Sequence[Path], files: Sequence[Files], rate: int | None
               ) -> Iterator[tuple[str, Waveform]]:
        """Yield names and waveforms, all of one rate: the one given, else that of the first."""
        known, first = rate, ""
        for name, wave in decoded(paths, files, lambda data: decode_audio(data, self.sample_rate)):
            if rate is None:
                rate, first = wave.rate, name
            if wave.rate != rate:
                why = (f"the model takes {rate}; resample it to that" if known is not None else
                       f"{first!r} has {rate}; resample all to one rate: dataset.sample_rate={rate}")
                raise ConfigError(f"{name!r} has {wave.rate} samples per second, {why}")
            yield name, wave
