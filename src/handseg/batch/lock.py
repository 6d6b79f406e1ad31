"""Several runs may write to one folder at once; what only one of them may do at a time is done under a lock."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handseg.errors import HandsegError


@contextmanager
def held(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock of an output; it is a hidden file beside it, for as long as it is held.

    wait: for another run that holds it, else raise HandsegError. Where the system has no `flock` (Windows): no lock.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    name = hashlib.blake2b(
        os.fsencode(path.name), digest_size=6
    ).hexdigest()  # any name may be too long with more to it
    lock = path.with_name(f".handseg-{name}.lock")
    while True:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
        except OSError as error:
            raise HandsegError(
                f"{lock.parent}: can't write there ({error.strerror}); choose a folder that you may write to"
            ) from error
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError as error:
                raise HandsegError(f"{path}: another run is writing it; wait until that ends") from error
            except OSError:  # a file system that has no locks
                yield
                return
            if not _is_still(file, lock):  # who held it has removed it since it was opened
                continue
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
            return
        finally:
            os.close(file)


def _is_still(file: int, path: Path) -> bool:
    """Whether an open file is the one that is at `path` now."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False
