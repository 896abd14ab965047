"""The inside of a side's process: imports one module once and times its functions when asked.

Usage: worker.py MODULE REPLY_FD. A request is a line of JSON on stdin, {"function": …, "arguments": {…}}; the reply is
a line of JSON on the file descriptor, the list of seconds that the function returned. Output stays on the terminal.
"""

from __future__ import annotations

import importlib
import json
import os
import sys


def main() -> None:
    """Serve requests until stdin closes."""
    module = importlib.import_module(sys.argv[1])
    with os.fdopen(int(sys.argv[2]), "w") as replies:
        for line in sys.stdin:
            request = json.loads(line)
            seconds = getattr(module, request["function"])(**request["arguments"])
            print(json.dumps(seconds), file=replies, flush=True)


if __name__ == "__main__":
    main()
