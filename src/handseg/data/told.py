"""What commands and programs that use datasets have in common: what was found out about the data is told in a line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from handseg.data.copies import Progress, fingerprints, no_progress
from handseg.data.identity import alone
from handseg.data.leaks import Prints
from handseg.data.meaning import meaning_notes
from handseg.data.sample import Sample
from handseg.data.splits import Split

Tell = Callable[[str], object]


def to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def tell_notes(samples: Sequence[Sample], tell: Tell) -> None:
    """A line each on masks that are read inverted, may be, or are read as instances; and for each dataset whose images
    are all taken for sessions of their own."""
    for note in (*map(str, meaning_notes(samples)), *alone(samples)):
        tell(note)


def load_split(path: Path, tell: Tell) -> Split:
    """A split file; a line says where it was edited."""
    split = Split.load(path)
    if split.edited:
        tell(f"{path}: was edited after it was made")
    return split


def prints_of(samples: Iterable[Sample], progress: Progress = no_progress) -> Prints:
    """The fingerprint of each image, in the samples' order."""
    images = list(dict.fromkeys(sample.image for sample in samples))
    return dict(zip(images, fingerprints(images, progress)))
