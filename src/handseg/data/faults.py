"""Fault: what is wrong with one file of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from handseg.errors import DataError, HandsegError

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Fault:
    """level: an error stops a training or spoils it; a warning is to be looked at, and may be meant so.
    kind: a word for programs, as `no-mask`. path: the file to mend. message: what is wrong, and what to do."""

    level: Level
    kind: str
    path: Path
    message: str

    @classmethod
    def of(cls, error: HandsegError, kind: str, path: Path) -> Fault:
        """An error that was raised about this file."""
        return cls("error", kind, path, str(error).removeprefix(f"{path}: "))

    def __str__(self) -> str:
        inside = self.message.startswith(str(self.path))  # of a file below the folder, which the message names itself
        return self.message if inside else f"{self.path}: {self.message}"


def raise_errors(faults: Sequence[Fault]) -> None:
    """Raises DataError naming the first error among them, and how many more there are."""
    errors = [fault for fault in faults if fault.level == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more: handseg data check lists them)" if len(errors) > 1 else ""
        raise DataError(f"{errors[0]}{more}")
