"""dlx.log: what happened to a run, in its folder."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from dlx.core.errors import ArtefactError, StorageError
from dlx.record import layout
from dlx.record.folder import RunFolder

log = logging.getLogger("dlx")


@contextlib.contextmanager
def logged(folder: RunFolder, number: int) -> Iterator[logging.Logger]:
    """Yield the logger of a run; its warnings are also shown on standard error.

    Args:
        number: of the run, among those that train together.
    """
    own = log.getChild(str(number))
    try:
        if (folder.path / layout.LOG).is_symlink():
            raise ArtefactError(f"{folder.path / layout.LOG} refused: it is a link")
        handler = logging.FileHandler(folder.path / layout.LOG, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {folder.path / layout.LOG}: {error.strerror}") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    warnings = logging.StreamHandler()
    warnings.setLevel(logging.WARNING)
    warnings.addFilter(lambda record: record.exc_info is None)
    warnings.setFormatter(logging.Formatter("dlx: %(message)s"))
    own.addHandler(handler)
    own.addHandler(warnings)
    own.setLevel(logging.INFO)
    try:
        yield own
    finally:
        own.removeHandler(handler)
        own.removeHandler(warnings)
        with contextlib.suppress(OSError):
            handler.close()
