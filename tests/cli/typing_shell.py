"""A shell in a terminal of its own, typed into as a person does, Tab key included."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

# The console script of this environment.
BIN = Path(sys.executable).parent
SECONDS = 30
SHOW = b"\x1d"
# Makes the terminal on standard input that of the session, then becomes the shell.
LOGIN = "import os, sys; os.login_tty(0); os.execvp(sys.argv[1], sys.argv[1:])"
COMMANDS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}
# Ctrl-] prints the line being edited.
SETUP = {
    "bash": 'show() { printf "[%s]EN""D" "$READLINE_LINE"; }; bind -x \'"\\C-]": show\'',
    "zsh": 'show() { print -r "[$BUFFER]EN""D" }; zle -N show; bindkey "^]" show',
}


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which `dlx` is that of this interpreter and no start file of the user's is read."""
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "dumb", "INPUTRC": "/dev/null",
            "HISTFILE": "/dev/null", "PS1": "> ", "ZDOTDIR": os.fspath(folder)}


def line_after(shell: str, keys: str, folder: Path) -> str:
    """Load the completion script, type keys, and return the line that stands at the prompt."""
    terminal, inner = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", LOGIN, *COMMANDS[shell]], stdin=inner, cwd=folder,
                             env=environment(folder))
    os.close(inner)
    try:
        os.write(terminal, f'eval "$(dlx completion {shell})"; {SETUP[shell]}; echo rea""dy\n'.encode())
        _read_until(terminal, "ready\r")
        # Keys wait in the terminal: the last is read once the Tab before it was dealt with.
        os.write(terminal, keys.encode() + SHOW)
        return "dlx" + _read_until(terminal, "]END").rpartition("]END")[0].rpartition("[dlx")[2]
    finally:
        child.kill()
        child.wait()
        os.close(terminal)


def _read_until(terminal: int, mark: str) -> str:
    text, end = "", time.monotonic() + SECONDS
    while mark not in text:
        assert time.monotonic() < end, f"the shell never printed {mark!r}: {text!r}"
        if select.select([terminal], [], [], 0.1)[0]:
            text += os.read(terminal, 65536).decode(errors="replace")
    return text
