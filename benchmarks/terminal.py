"""A terminal for a process to write to, so that progress is drawn as for a user."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import threading


class Terminal:
    """A terminal of 24 lines of 100 columns that keeps the end of what was written.

    `slave` is the file descriptor for a process to write to; close it here once the process has it.
    """

    def __init__(self) -> None:
        self._master, self.slave = os.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self._tail = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while data := os.read(self._master, 65536):
                self._tail = (self._tail + data)[-4096:]
        except OSError:  # how Linux says that the last writer has gone
            pass
        os.close(self._master)

    def last_line(self) -> str:
        """Return the last line written, once every writer has gone."""
        self._reader.join(timeout=5)
        lines = self._tail.decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "no output")
