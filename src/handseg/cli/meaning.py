"""What was found out about a dataset's masks, said on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from handseg.data import Sample


def tell_meaning(samples: Sequence[Sample]) -> None:
    """A line each on masks that are read inverted, may be, or are read as instances."""
    from handseg.data.meaning import meaning_notes

    for note in meaning_notes(samples):
        click.echo(str(note), err=True)
