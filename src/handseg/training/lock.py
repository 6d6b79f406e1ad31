"""One training at a time in a run's folder: a second one, `--resume` while the first goes on, would spoil both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handseg.errors import TrainingError


def first_process() -> bool:
    """Whether this is the first of a run's processes on this machine."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder, as the first of a run's processes; where the system has no `flock` (Windows), do nothing.

    Raises TrainingError when another training holds it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    if not first_process():  # the first holds it
        yield
        return
    try:
        file = (folder / ".lock").open("w")
    except OSError as error:
        raise TrainingError(
            f"{folder}: can't write there ({error.strerror}); choose a folder that you may write to"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TrainingError(
                f"{folder}: another training is running in it; wait until it ends, or choose another folder"
            ) from error
        yield
