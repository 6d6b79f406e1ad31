from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pathlib import Path

import torch

from handseg.training.memory import keep_freed_memory

def resident():  # MB
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024

if sys.argv[1] == "kept":
    assert keep_freed_memory()
before = resident()
tensor = torch.ones(50_000_000)  # 200 MB
del tensor
print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator is Linux's")
def test_freed_memory_is_kept_when_asked_for() -> None:
    grown = [
        float(subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, check=True).stdout)
        for how in ("kept", "given back")
    ]
    assert grown[0] > 150 > 50 > grown[1]
