"""What PyInstaller needs to put handseg into a program; it finds this by the entry point in pyproject.toml."""

from __future__ import annotations

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """The folder of the hook."""
    return [str(Path(__file__).parent)]
