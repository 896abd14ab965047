"""Many files decoded by threads, in order, with few of them in memory at a time.

Decoders written in C release the interpreter's lock: on two cores two threads decode photographs 1.7 times as fast as
one, thumbnails 1.1 times. Two processes decode thumbnails 1.7 times as fast, but have to be started anew, since a
process that holds threads of torch must not be forked, and have to send what they decode: measured, that left nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple, TypeVar

from dlx.core.device import usable_cores
from dlx.core.errors import ConfigError
from dlx.core.own_data.archive import Files

Value = TypeVar("Value")
MAX_THREADS = 32
# Of encoded files, decoded by one thread in one go.
CHUNK_FILES, CHUNK_BYTES = 32, 2**21


class UnreadableError(Exception):
    """A file cannot be decoded; says why, as the end of a sentence."""


class _Work(NamedTuple):
    source: int
    name: str
    number: int


def decoded(paths: Sequence[object], files: Sequence[Files], decode: Callable[[bytes], Value]
            ) -> Iterator[tuple[str, Value]]:
    """Yield the name of each file of each folder or archive, in order, and what `decode` makes of its bytes.

    Args:
        paths: of the folders and archives, for messages.
        decode: raises UnreadableError for a file that it cannot decode; called from several threads.

    Raises:
        ConfigError: a file that cannot be decoded; says which.
    """
    total = sum(len(own.sizes) for own in files)

    def decode_all(chunk: list[_Work]) -> list[tuple[str, Value]]:
        results = []
        for work in chunk:
            try:
                results.append((work.name, decode(files[work.source].read(work.name))))
            except UnreadableError as error:
                raise ConfigError(f"{work.name!r} in {paths[work.source]} cannot be used (file {work.number:,} of "
                                  f"{total:,}): {error}") from error
        return results

    count = min(MAX_THREADS, len(usable_cores()))
    waiting: deque[Future[list[tuple[str, Value]]]] = deque()
    pool, chunks = ThreadPoolExecutor(count, "decode"), _chunks(files)
    try:
        waiting.extend(pool.submit(decode_all, chunk) for chunk in islice(chunks, 2 * count))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(decode_all, chunk) for chunk in islice(chunks, 1))
            yield from result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _chunks(files: Sequence[Files]) -> Iterator[list[_Work]]:
    chunk: list[_Work] = []
    size, number = 0, 0
    for source, own in enumerate(files):
        for name, own_size in own.sizes.items():
            number += 1
            chunk.append(_Work(source, name, number))
            size += own_size
            if len(chunk) >= CHUNK_FILES or size >= CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
    if chunk:
        yield chunk
