"""What the stored values of mask files stand for: background, hand or unknown.

Values are taken as they are stored, never scaled. A colour that isn't a grey is the number COLOUR | 0xRRGGBB.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from handseg.errors import DataError

BACKGROUND, HAND = 0, 255
IGNORE = 128  # in a mask: unknown, left out of losses and scores
COLOUR = 1 << 40
MOST_IDS = 256  # different values in a mask of instances; more are a soft or lossy edge
MANY = 16  # different values in a mask of classes
VOID = (255, 65535, 2**31 - 1, 2**32 - 1)  # all bits set: what "unknown" is stored as beside classes or instances
SAY = "say what each value means, as --mask-values 'hand=1 ignore=255', or in dataset.toml"

Span = tuple[float, float]
ENTRY = re.compile(r"(hand|ignore|background)=(\S+)")
RANGE = re.compile(r"(-?\d+(?:\.\d+)?)(?:-(-?\d+(?:\.\d+)?))?")
HEX = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class MaskMeaning:
    """Which stored values are hand, which unknown, which background: ranges, ends included. rest: what all others are;
    None where there must be none.

    By default the masks that handseg writes: 0, 255, and 128 for unknown.
    """

    hand: tuple[Span, ...] = ((HAND, HAND),)
    ignore: tuple[Span, ...] = ((IGNORE, IGNORE),)
    background: tuple[Span, ...] = ((BACKGROUND, BACKGROUND),)
    rest: Literal["background", "hand"] | None = None

    @classmethod
    def parse(cls, text: str) -> MaskMeaning:
        """`hand=1,2 ignore=255`: numbers, ranges (`1-20`) and colours (`#ff0000`). All other values are background, but
        where that is named too: then there must be no others.

        Raises DataError, saying what is wrong, where it isn't such a text.
        """
        spans: dict[str, tuple[Span, ...]] = {}
        for entry in text.split():
            match = ENTRY.fullmatch(entry)
            if match is None or match[1] in spans:
                raise DataError(
                    f"{entry!r} in mask values {text!r}; write them as 'hand=1,2 ignore=255', each word once"
                )
            spans[match[1]] = tuple(_span(part, text) for part in match[2].split(","))
        if "hand" not in spans:
            raise DataError(f"mask values {text!r} don't say what is hand; write them as 'hand=1,2 ignore=255'")
        ordered = sorted(span for named in spans.values() for span in named)
        if any(low <= high for (_, high), (low, _) in pairwise(ordered)):
            raise DataError(f"mask values {text!r} name a value twice; name each once")
        background = spans.get("background", ())
        return cls(spans["hand"], spans.get("ignore", ()), background, None if background else "background")

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Mask uint8 H×W, 0, 255 or 128, of stored values H×W.

        Raises DataError naming values that mean nothing here.
        """
        if values.dtype != np.uint8:
            return self._mask(values)
        present = np.flatnonzero(np.bincount(values.ravel(), minlength=256))
        table = np.zeros(256, np.uint8)
        table[present] = self._mask(present)
        return np.asarray(table[values])

    def _mask(self, values: np.ndarray) -> np.ndarray:
        mask = np.full(values.shape, HAND if self.rest == "hand" else BACKGROUND, np.uint8)
        known = np.full(values.shape, self.rest is not None)
        for spans, meant in ((self.background, BACKGROUND), (self.hand, HAND), (self.ignore, IGNORE)):
            for low, high in spans:
                inside = (values >= low) & (values <= high)
                mask[inside] = meant
                known |= inside
        if not known.all():
            unsaid = named(np.unique(values[~known]))
            raise DataError(f"holds {named(np.unique(values))}, and nothing is said of {unsaid}; {SAY}")
        return mask


AS_WRITTEN = MaskMeaning()
UNTOLD = MaskMeaning(hand=(), ignore=(), background=(), rest="background")  # of masks that can't be understood


@dataclass(frozen=True, eq=False)
class Stored:
    """What one mask file holds. path: how messages call it. values: the different ones, sorted. deep: whether they are
    integers of more than 8 bits. counts: of each value in the picture. border, centre: of each along its outermost
    pixels, and in the middle half of its height and width."""

    path: str
    values: np.ndarray
    deep: bool
    counts: np.ndarray
    border: np.ndarray
    centre: np.ndarray

    @classmethod
    def of(cls, path: str, label: np.ndarray) -> Stored:
        """label: stored values H×W."""
        values, counts = _histogram(label)
        height, width = label.shape
        parts = (
            np.concatenate([label[0], label[-1], label[1:-1, 0], label[1:-1, -1]]),
            label[height // 4 : height - height // 4, width // 4 : width - width // 4],
        )
        border, centre = np.zeros((2, len(values)), np.int64)
        for part, counted in zip(parts, (border, centre)):
            there, times = _histogram(part)
            counted[np.searchsorted(values, there)] = times
        whole = np.issubdtype(values.dtype, np.integer) or bool((values == np.floor(values)).all())
        deep = label.dtype != np.uint8 and whole and not bool((values >= COLOUR).any())
        return cls(path, values, deep, counts, border, centre)


@dataclass(frozen=True)
class Problem:
    """What is wrong with one mask file, or, as a warning, to be looked at."""

    path: str
    message: str
    level: Literal["error", "warning"] = "error"
    kind: Literal["values", "unreadable", "inverted", "instances"] = "values"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def default_meaning(files: Sequence[Stored]) -> tuple[MaskMeaning, list[Problem]]:
    """What the values of a dataset's masks mean where nobody says: one reading for all of its files.

    0 is background. Where there is one other value, that is hand. Of 0, 128 and 255 128 is unknown, also in a file that
    holds no 255. Of files with more than 8 bits that hold several values, these are instances: each but 0 is hand.
    All else is a problem of the files that hold it, as are masks that are soft or lossy, and data without a 0.
    """
    every = np.unique(np.concatenate([f.values for f in files])) if files else np.zeros(1)
    others = every[every != 0]
    if soft := [Problem(f.path, _soft(f)) for f in files if len(f.values) > (MOST_IDS if f.deep else MANY)]:
        return AS_WRITTEN, soft
    if len(files) > 1 and not (every == 0).any():
        message = f"holds {named(files[0].values)}, and no mask has a 0 for background; {SAY}"
        return AS_WRITTEN, [Problem(files[0].path, message)]
    if np.isin(others, (IGNORE, HAND)).all() and not any(f.deep for f in files):
        return AS_WRITTEN, []
    if len(others) == 1:
        return MaskMeaning(hand=((float(others[0]), float(others[0])),), ignore=()), []
    deep = [f.values for f in files if f.deep]
    if deep and np.count_nonzero(np.unique(np.concatenate(deep))) > 1:
        top = others[-1]
        doubtful = [v for v in others if v < 0 or v >= COLOUR or v != np.floor(v)]
        doubtful += [top] if top in VOID and top - 1 not in others else []
        wrong = [f for f in files if np.isin(f.values, doubtful).any()]
        problems = [Problem(f.path, f"holds {named(f.values)}: instances, or something unknown? {SAY}") for f in wrong]
        return MaskMeaning(hand=(), ignore=(), rest="hand"), problems
    problems = [
        Problem(f.path, f"holds {named(f.values)}, more than background and hand; {SAY}")
        for f in files
        if np.count_nonzero(f.values) > 1 or (len(f.values) > 1 and f.values[0] != 0)
    ]
    return AS_WRITTEN, problems or [_two_kinds(files)]


def named(values: np.ndarray) -> str:
    """Stored values in words: `0, 1 and 255`."""
    words = [f"#{int(v) - COLOUR:06x}" if v >= COLOUR else f"{v:.10g}" for v in values[:6].tolist()]
    if len(values) > 6:
        return f"{', '.join(words[:5])} and {len(values) - 5} values more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _two_kinds(files: Sequence[Stored]) -> Problem:
    """Of files that each hold one value beside 0, but not the same; the rarer one is named first."""
    first: dict[float, Stored] = {}
    times: Counter[float] = Counter()
    for file in files:
        for value in file.values[file.values != 0].tolist():
            first.setdefault(value, file)
            times[value] += 1
    (common, _), *_, (rare, _) = times.most_common()
    return Problem(
        first[rare].path,
        f"holds {named(first[rare].values)}, but {first[common].path} {named(first[common].values)}; "
        f"store all masks alike, as 0 and 255, or {SAY}",
    )


def _soft(file: Stored) -> str:
    top = file.values[-1]
    what = (
        f"{len(file.values)} different values in a mask that should have two; masks must be lossless (PNG), never JPEG"
    )
    if top >= COLOUR:
        return f"{what}, and no photos"
    middle = "0.5-1" if top <= 1 else "128-255" if top <= 255 else f"{round(top / 2)}-{round(top)}"
    return f"{what}, and hard-edged; to cut a soft one at its middle, --mask-values 'hand={middle}'"


def _span(part: str, text: str) -> Span:
    if HEX.fullmatch(part):
        rgb = int(part[1:], 16)
        grey = rgb & 255
        value = float(grey if rgb == grey * 0x010101 else COLOUR | rgb)
        return value, value
    match = RANGE.fullmatch(part)
    if match is None:
        raise DataError(f"{part!r} in mask values {text!r} is no number, range as 1-20, or colour as #ff0000")
    low = float(match[1])
    high = low if match[2] is None else float(match[2])
    if high < low:
        raise DataError(f"{part!r} in mask values {text!r} ends before it begins")
    return low, high


def _histogram(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different values, sorted, and how often each is there."""
    if values.dtype == np.uint8:
        counts = np.bincount(values.ravel(), minlength=256)
        present = np.flatnonzero(counts)
        return present, counts[present]
    return np.unique(values, return_counts=True)
