"""Splits: how a dataset is divided into training, validation and test data, and the file that records it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from handseg.data.sample import Sample
from handseg.errors import DataError
from handseg.image import write_atomically

Protocol = Literal["random-frame", "session-disjoint"]
PROTOCOLS: tuple[Protocol, ...] = ("random-frame", "session-disjoint")
Subset = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Split:
    """Names of the samples on each side, and how they were chosen.

    `random-frame` shuffles frames; frames of one video fall on both sides, so its scores are leaky: use it
    only to compare with results that were taken that way. `session-disjoint` keeps sessions whole.
    """

    protocol: Protocol
    seed: int
    folds: int
    fold: int
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    def select(self, samples: Sequence[Sample], subset: Subset) -> list[Sample]:
        """The samples of one side, in their own order.

        Raises DataError when the split names a sample that isn't there.
        """
        wanted = set(getattr(self, subset))
        chosen = [s for s in samples if s.name in wanted]
        if missing := wanted - {s.name for s in chosen}:
            raise DataError(
                f"the split names {len(missing)} images that the data doesn't have, {min(missing)} first; "
                "use the data it was made from, or make the split anew"
            )
        return chosen

    def without_test(self) -> Split:
        """The same split with its test side given to training."""
        return replace(self, train=tuple(sorted((*self.train, *self.test))), test=())

    def save(self, path: Path) -> None:
        write_atomically(path, lambda file: file.write(json.dumps(asdict(self), indent=1).encode()))

    @classmethod
    def load(cls, path: str | Path) -> Split:
        """Raises DataError when the file isn't a split."""
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            for subset in ("train", "val", "test"):
                values[subset] = tuple(values[subset])
            return cls(**values)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"{path}: not a split file ({error}); make one with: handseg data split") from error


def make_split(
    samples: Sequence[Sample],
    protocol: Protocol,
    *,
    folds: int = 4,
    fold: int = 0,
    val_fraction: float = 0.06,
    seed: int = 0,
) -> Split:
    """Divide samples: `fold` of `folds` is the test side, and about `val_fraction` of the rest validates.

    Under `session-disjoint` the folds hold whole sessions, about the same number of frames each, and
    validation takes the largest sessions that fit in its share, so that many small ones are left to learn from;
    where none fits, the smallest. It shows a hand, where a session can be spared that does.
    Raises DataError when there are too few frames or sessions.
    """
    if not 0 <= fold < folds or folds < 2:
        raise DataError(f"fold {fold} of {folds}: there must be 2 folds or more, counted from 0")
    names = [s.name for s in samples]
    if len(set(names)) < len(names):
        raise DataError("two images have the same name; rename one, or put the datasets into one folder")
    groups: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        groups[sample.session if protocol == "session-disjoint" else sample.name].append(sample.name)
    if len(groups) < max(3, folds):
        raise DataError(
            f"{len(groups)} sessions are too few for {folds} folds, a validation side and training; "
            "use fewer folds, more data, or random-frame"
        )
    rng = np.random.default_rng(seed)
    shuffled = [groups[key] for key in rng.permutation(sorted(groups))]

    parts: list[list[list[str]]] = [[] for _ in range(folds)]
    for group in sorted(shuffled, key=len, reverse=True):  # a stable sort: ties stay shuffled
        min(parts, key=lambda part: sum(map(len, part))).append(group)
    test = parts[fold]
    rest = [g for i, part in enumerate(parts) if i != fold for g in part]
    if len(rest) < 2:
        raise DataError(
            f"one session holds nearly all frames, so that nothing is left to train on in fold {fold} of {folds}; "
            "use another fold, more data, or random-frame"
        )
    rest = [rest[i] for i in rng.permutation(len(rest))]
    share = val_fraction * sum(map(len, rest))
    val: list[list[str]] = []
    for group in sorted(rest, key=len, reverse=True):
        if sum(map(len, val)) + len(group) <= share:
            val.append(group)
    val = val or [min(rest, key=len)]
    hands = {s.name for s in samples if s.shows_hand}
    with_hands = [group for group in rest if not hands.isdisjoint(group)]
    if not any(group in with_hands for group in val) and len(with_hands) > 1:
        val = [min(with_hands, key=len)]
    train = [g for g in rest if not any(g is v for v in val)]
    return Split(
        protocol,
        seed,
        folds,
        fold,
        *(tuple(sorted(name for g in side for name in g)) for side in (train, val, test)),
    )
