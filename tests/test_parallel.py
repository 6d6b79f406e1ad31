"""Several files at a time: in order, bounded, and with the results of one after the other."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from handseg.image import load_image, save_png
from handseg.parallel import Room, ahead, cores, in_order
from tests.cli.test_predict import EXAMPLE, handseg


def test_results_come_in_the_order_of_the_items_and_errors_with_theirs() -> None:
    def slow_at_first(n: int) -> int:
        time.sleep(0.05 if n == 0 else 0)
        if n == 3:
            raise ValueError("three")
        return n * n

    results = list(in_order(slow_at_first, range(8), 3))
    assert [n for n, _ in results] == list(range(8))
    assert [future.result() for n, future in results if n != 3] == [n * n for n in range(8) if n != 3]
    with pytest.raises(ValueError, match="three"):
        results[3][1].result()


def test_few_items_are_under_way_and_several_at_once() -> None:
    taken = 0
    busy, most = 0, 0
    lock = threading.Lock()

    def items():
        nonlocal taken
        for n in range(1, 41):
            taken = n
            yield n

    def work(_: int) -> None:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.01)
        with lock:
            busy -= 1

    for n, _ in in_order(work, items(), 3):
        assert taken - n < 6
    assert most == 3


def test_left_early_nothing_more_is_begun() -> None:
    begun = []

    def work(n: int) -> None:
        begun.append(n)
        time.sleep(0.01)

    for n, future in in_order(work, range(1000), 2):
        future.result()
        if n == 5:
            break
    assert len(begun) < 12
    assert cores() >= 1


def test_items_are_made_ahead_of_time_but_not_far() -> None:
    made = []

    def items():
        for n in range(20):
            made.append(n)
            yield n
        raise ValueError("the end")

    seen = []
    with pytest.raises(ValueError, match="the end"):
        for n in ahead(items(), 3):
            time.sleep(0.005)
            assert len(made) <= n + 5
            seen.append(n)
    assert seen == list(range(20))
    assert list(ahead([], 2)) == []
    for n in ahead(range(1000), 2):
        if n == 3:
            break


def test_threads_hold_no_more_than_there_is_room_for() -> None:
    room, held, most = Room(10), [0.0], [0.0]
    changing = threading.Lock()

    def work(amount: float) -> float:
        with room.taken(amount):
            with changing:
                held[0] += amount
                most[0] = max(most[0], held[0])
                assert held[0] <= max(10, amount)
            time.sleep(0.002)
            with changing:
                held[0] -= amount
        return amount

    amounts = [3, 4, 9, 1, 25, 2, 2, 5, 0, 11] * 4  # two are more than there is room for, and have it to themselves
    assert [future.result() for _, future in in_order(work, amounts, 4)] == amounts
    assert held == [0]
    assert most == [25]


def test_a_folder_gives_the_same_with_any_number_of_threads(tmp_path: Path) -> None:
    image = load_image(EXAMPLE)[::2, ::2]
    folder = tmp_path / "in"
    for i in range(6):
        save_png(folder / f"{i}.png", np.roll(image, 20 * i, axis=1)[: 200 + 10 * i])
    (folder / "3.png").write_bytes(b"nothing")
    for threads in (1, 3):
        out = tmp_path / f"{threads}"
        result = handseg("predict", folder, "-o", out, "--save", "mask,json,coco", "--threads", threads)
        assert result.returncode == 1
        assert "5 done, 1 failed" in result.stderr
    written = sorted(p.name for p in (tmp_path / "1").iterdir() if p.suffix != ".jsonl")  # the record tells times
    assert len(written) == 11
    for name in written:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes(), name


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps them")
def test_large_arrays_that_are_freed_go_back_to_the_system() -> None:
    """In a process of its own: 200 MB of them with small ones between, which stay."""
    code = """
import numpy as np
from handseg.parallel import return_freed_arrays

def resident():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

return_freed_arrays()
before = resident()
np.ones(4 << 20, np.uint8)
large, small = [], []
for _ in range(100):
    large.append(np.ones(2 << 20, np.uint8))
    small.append(np.ones(20000, np.uint8))
del large
print(resident() - before)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(answer.stdout) < 20  # MB; all 200 stayed
