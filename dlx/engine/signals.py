"""Ctrl-C and SIGTERM: asked for once, a run stops at its next step with a checkpoint; asked twice, or done, at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SHOW_CURSOR = b"\x1b[?25h"


class StopRequest:
    """The signal that asked the run to stop, if one did."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._is_done = False

    def __bool__(self) -> bool:
        return self.signal_number is not None

    def receive(self, signal_number: int, _frame: FrameType | None) -> None:
        """Handle a signal; files are replaced atomically, so leaving at once corrupts nothing."""
        if self.signal_number is not None:
            os._exit(128 + signal_number)
        if self._is_done:
            leave(signal_number)
        self.signal_number = signal_number

    def done(self) -> None:
        """Say that nothing is left that a checkpoint would keep: the next signal ends the process, or one that came."""
        self._is_done = True
        if self.signal_number is not None:
            leave(self.signal_number)


def leave(number: int, _frame: FrameType | None = None) -> None:
    """Handle a signal; files are replaced atomically, so leaving at once corrupts nothing."""
    # A progress bar hides the cursor.
    os.write(2, (SHOW_CURSOR if os.isatty(2) else b"") + b"dlx: interrupted\n")
    os._exit(128 + number)


@contextlib.contextmanager
def stop_on_signals(request: StopRequest | None = None) -> Iterator[StopRequest]:
    """Collect SIGINT and SIGTERM inside the block instead of dying from them; in the main thread only.

    A block inside another has the request of the outer one: what asks a run to stop stops all that comes after it.
    """
    outer = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    is_inner = request is None and isinstance(outer, StopRequest)
    request = StopRequest() if request is None else request
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    if is_inner:
        assert isinstance(outer, StopRequest)
        yield outer
        return
    previous = {number: signal.signal(number, request.receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
