"""What the commands that use splits have in common: what is on two sides is refused, what isn't known is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from handseg.cli.progress import progress

if TYPE_CHECKING:
    from handseg.data import Sample, Split
    from handseg.data.leaks import Prints


def load_split(path: Path) -> Split:
    """A split file; a line on stderr says where it was edited."""
    from handseg.data import Split

    split = Split.load(path)
    if split.edited:
        click.echo(f"{path}: was edited after it was made", err=True)
    return split


def tell_alone(samples: Sequence[Sample]) -> None:
    """A line on stderr for each dataset whose images are all taken for sessions of their own."""
    from handseg.data.identity import alone

    for line in alone(samples):
        click.echo(line, err=True)


def prints_of(samples: Iterable[Sample]) -> Prints:
    """The fingerprint of each image, in the samples' order."""
    from handseg.data.copies import fingerprints

    images = list(dict.fromkeys(sample.image for sample in samples))
    return dict(zip(images, fingerprints(images, progress("look for copies"))))
