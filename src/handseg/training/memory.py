"""Memory that a training step frees is kept for the next one."""

from __future__ import annotations

import ctypes
import sys

# Of glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Ask glibc to keep what is freed, for the whole process; False where there is no glibc to ask.

    A step on a CPU takes and frees the same large tensors each time. By default glibc gives them back to the system,
    which hands them out again page by page, filled with zeros: a tenth to a sixth of the step
    (benchmarks/training_step.py).
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
