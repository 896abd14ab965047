"""The command line: finds the sub-command, runs it, turns errors into messages and exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dlx
from dlx.core.errors import ConfigError, DlxError, StorageError
from dlx.engine.signals import leave

COMMANDS = {
    "train": "train one configuration with one seed",
    "sweep": "train many: a=1,2  'seed=range(5)'  model=mlp,cnn",
    "find-lr": "try learning rates on one configuration, and suggest one",
    "evaluate": "measure a saved checkpoint again",
    "compare": "compare trained runs: which is better, and how sure",
    "ensemble": "join finished runs into one model, and measure what it gains",
    "predict": "say what a saved model predicts for new rows",
    "export": "write a saved model as a file that runs without dlx",
    "data": "inspect, fetch or clean data",
    "resume": "continue an interrupted run or sweep",
    "report": "write the report of a run or a sweep again",
    "runs": "list runs and how they ended",
    "list": "list config groups and their options",
    "show": "show a composed configuration, its model and sizes",
    "validate": "check a configuration without running it",
    "completion": "print the shell completion script",
}
HIDDEN = ("complete",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code, see `dlx.core.errors`."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with leaving_at_ctrl_c():
            code = answer(arguments)
            sys.stdout.flush()
        return code
    except DlxError as error:
        return fail(str(error), error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe, such as head, went away: nothing more can be said to it.
        silence()
        return 0
    except SystemExit as leaving:
        # rich leaves with 1 where the reader went away.
        if isinstance(leaving.__context__, BrokenPipeError):
            silence()
            return 0
        raise
    except OSError as error:
        what = error.filename or "the output"
        return fail(f"{what} cannot be used: {error.strerror or error}", StorageError.exit_code)


@contextmanager
def leaving_at_ctrl_c() -> Iterator[None]:
    """Leave at once at Ctrl-C inside the block, unless it is ignored; training and sweeps take it over while they last.

    A KeyboardInterrupt would be swallowed by libraries that are being imported, or break them halfway.
    """
    if threading.current_thread() is not threading.main_thread() or \
            signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def answer(arguments: list[str]) -> int:
    """Do what was asked for."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"dlx {dlx.__version__}")
        return 0
    return run_command(arguments[0], arguments[1:])


def fail(message: str, exit_code: int) -> int:
    """Say what went wrong; where standard output cannot take what it was given before, it is dropped."""
    try:
        sys.stdout.flush()
    except OSError:
        silence()
    print("dlx: " + message.replace("\n", "\n     "), file=sys.stderr)
    return exit_code


def silence() -> None:
    """Let standard output go nowhere, so that nothing is raised when Python closes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def run_command(name: str, arguments: Sequence[str]) -> int:
    """Import a sub-command, parse its arguments and run it."""
    if name not in COMMANDS and name not in HIDDEN:
        from dlx.config.options import near

        raise ConfigError(f"unknown command {name}{near(name, COMMANDS)}\nCommands: {', '.join(COMMANDS)}")
    module = importlib.import_module(module_of(name))
    if name in HIDDEN:
        return int(module.run(arguments))
    parser = module.parser()
    return int(module.run(parser.parse_intermixed_args(arguments)))


def module_of(name: str) -> str:
    """Return the module of a sub-command."""
    return f"dlx.cli.{name.replace('-', '_')}"


def usage() -> str:
    """Return the help text of `dlx -h`."""
    rows = "\n".join(f"  {name:<11}{text}" for name, text in COMMANDS.items())
    return (f"usage: dlx COMMAND [key=value ...] [options]\n\n"
            f"Controlled experiments on the generalization of neural networks.\n\ncommands:\n{rows}\n\n"
            f"  dlx COMMAND -h says more of each; dlx --version\n\nexamples:\n"
            f"  dlx train model=cnn optimizer=adam optimizer.lr=3e-4\n"
            f"  dlx sweep model=mlp,cnn optimizer.lr=1e-3,1e-2 'seed=range(5)'\n"
            f"  dlx evaluate runs/<run>")


if __name__ == "__main__":
    sys.exit(main())
