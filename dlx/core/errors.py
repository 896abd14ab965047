"""What can go wrong, and the exit code that says so. One class per exit code."""


class DlxError(Exception):
    """An error meant for a person: shown as one message, never as a traceback."""

    exit_code = 1


class TrainingError(DlxError):
    """Training failed: it diverged, ran out of memory or crashed."""

    exit_code = 1


class DivergedError(TrainingError):
    """The loss became NaN or infinite.

    Args:
        step: the first step whose loss was not finite, counted from 0 over the whole run.
        lr: the learning rate of that step.
    """

    def __init__(self, step: int, lr: float) -> None:
        super().__init__(f"training diverged: the loss of step {step} was not finite, at lr {lr:g}; "
                         f"try a smaller optimizer.lr, a schedule with a warmup or regularizer=gradient_clip")
        self.step = step
        self.lr = lr


class ConfigError(DlxError):
    """The command or its configuration is wrong. Several problems are shown together.

    Args:
        problems: one sentence each, naming the key, what is allowed, what was given and what to do.
    """

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ArtefactError(DlxError):
    """A file was refused: damaged, hostile, or not what it claims to be."""

    exit_code = 3


class StorageError(DlxError):
    """The file system said no: disk full, permission denied, missing data that cannot be downloaded."""

    exit_code = 4


class RunsFailedError(DlxError):
    """A sweep finished, with failed runs."""

    exit_code = 5


class InterruptedRunError(DlxError):
    """A signal ended the run after a durable checkpoint. The exit code is 128 + the signal's number."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
