"""Work on several items at once, with results in order and bounded memory."""

from __future__ import annotations

import ctypes
import os
import platform
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
M_MMAP_THRESHOLD = -3  # of glibc's malloc.h
LARGE_ARRAY = 1 << 20  # bytes


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def return_freed_arrays() -> None:
    """From now on arrays of a megabyte and more go back to the system when they are freed, for the whole process.

    glibc keeps up to 32 MB of such in a heap for each thread, where they leave gaps that only grow. No other C library
    is touched.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_ARRAY)


class Room:
    """Lets threads work at a time as long as what they hold together fits into `size`; one alone always may."""

    def __init__(self, size: float) -> None:
        self._size = size
        self._taken = 0.0
        self._changed = Condition()

    @contextmanager
    def taken(self, amount: float) -> Iterator[None]:
        """Waits until there is so much room, and holds it within the `with` block."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + amount <= self._size)
            self._taken += amount
        try:
            yield
        finally:
            with self._changed:
                self._taken -= amount
                self._changed.notify_all()


def in_order(
    function: Callable[[T], R], items: Iterable[T], workers: int
) -> Generator[tuple[T, Future[R]], None, None]:
    """Call `function` on each item in threads; yields each item and its result, or error, in the items' order.

    At most twice as many items as workers are under way or waiting to be taken. Left early, what hasn't begun is
    dropped and what has is finished.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[T, Future[R]]] = deque()
        try:
            for item in items:
                waiting.append((item, pool.submit(function, item)))
                if len(waiting) == 2 * workers:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, future in waiting:
                future.cancel()


def ahead(items: Iterable[T], count: int) -> Generator[T, None, None]:
    """The items, up to `count` of them made in a thread before they are asked for. An error comes in its place."""
    iterator = iter(items)
    end = object()
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, iterator, end) for _ in range(count))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(pool.submit(next, iterator, end))
                yield item  # type: ignore[misc]
        finally:
            for future in waiting:
                future.cancel()
