"""What is said on stderr while a command works: lines, and a progress bar where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import click


def tell(line: str) -> None:
    """A line on stderr."""
    click.echo(line, err=True)


def progress(label: str) -> Callable[[Iterable[Any], int], Iterable[Any]]:
    """A function that shows how far it is with items, given how many there are."""

    def show(items: Iterable[Any], length: int) -> Iterable[Any]:
        with click.progressbar(
            items, length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty(), show_pos=True
        ) as bar:
            yield from bar

    return show
