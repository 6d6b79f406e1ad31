"""Splits: how a dataset is divided into training, validation and test data, and the file that records it."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from handseg.data.copies import Fingerprint, find_copies
from handseg.data.sample import Sample
from handseg.errors import DataError
from handseg.files import write_atomically

Protocol = Literal["random-frame", "session-disjoint", "all"]
PROTOCOLS: tuple[Protocol, ...] = ("random-frame", "session-disjoint", "all")
Subset = Literal["train", "val", "test"]
SUBSETS: tuple[Subset, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """Names of the samples on each side, and how they were chosen.

    `random-frame` shuffles frames; frames of one video fall on both sides, so its scores are leaky: use it
    only to compare with results that were taken that way. `session-disjoint` keeps sessions whole. `all` trains on
    every image and keeps none apart: for a few images, none of which can be spared.
    group_by: the rule by which sessions were told, none where names and folders told them. contents: name → digest of
    the image file, none in files of older versions. edited: a file that was changed since it was made.
    """

    protocol: Protocol
    seed: int
    folds: int
    fold: int
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    group_by: str = ""
    contents: dict[str, str] = field(default_factory=dict)
    edited: bool = field(default=False, compare=False)

    @property
    def hash(self) -> str:
        """Of who is on which side, and of what the images hold; 16 hexadecimal digits."""
        told = [self.protocol, *(sorted(getattr(self, side)) for side in SUBSETS), sorted(self.contents.items())]
        return hashlib.blake2b(json.dumps(told).encode(), digest_size=8).hexdigest()

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

    def _composed(self) -> Split:
        """With names as samples have them (NFC), where the file was made of names that macOS had taken apart."""

        def composed(name: str) -> str:
            return unicodedata.normalize("NFC", name)

        sides = {side: tuple(map(composed, getattr(self, side))) for side in SUBSETS}
        contents = {composed(name): digest for name, digest in self.contents.items()}
        return replace(self, train=sides["train"], val=sides["val"], test=sides["test"], contents=contents)

    def without_test(self) -> Split:
        """The same split with its test side given to training."""
        return replace(self, train=tuple(sorted((*self.train, *self.test))), test=())

    def save(self, path: Path) -> None:
        values = {**asdict(self), "hash": self.hash}
        del values["edited"]
        write_atomically(path, lambda file: file.write(json.dumps(values, indent=1).encode()))

    @classmethod
    def load(cls, path: str | Path) -> Split:
        """Raises DataError when the file isn't a split, or has a name on two sides."""
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8-sig"))
            for subset in SUBSETS:
                values[subset] = tuple(map(str, values[subset]))
            made = values.pop("hash", None)
            split = cls(**values)
            split = replace(split._composed(), edited=made is not None and made != split.hash)
            if split.protocol not in PROTOCOLS:
                raise ValueError(f"unknown protocol {split.protocol!r}")
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"{path}: not a split file ({error}); make one with: handseg data split") from error
        where: dict[str, str] = {}
        for subset in SUBSETS:
            for name in getattr(split, subset):
                if name in where:
                    raise DataError(
                        f"{path}: {name} is on two sides, {where[name]} and {subset}; make the split anew: "
                        "handseg data split"
                        if where[name] != subset
                        else f"{path}: {name} is twice on its {subset} side; make the split anew: handseg data split"
                    )
                where[name] = subset
        return split


def make_split(
    samples: Sequence[Sample],
    protocol: Protocol,
    *,
    folds: int = 4,
    fold: int = 0,
    val_fraction: float = 0.06,
    seed: int = 0,
    group_by: str = "",
    prints: Sequence[Fingerprint] = (),
) -> Split:
    """Divide samples: `fold` of `folds` is the test side, and about `val_fraction` of the rest validates.

    Under `session-disjoint` the folds hold whole sessions, about the same number of frames each, and
    validation takes the largest sessions that fit in its share, so that many small ones are left to learn from;
    where none fits, the smallest. It shows a hand, where a session can be spared that does.
    group_by: the rule by which the sessions were told, to be recorded. prints: of the samples' images, in their order;
    sessions that hold the same picture then stay together, under `random-frame` exact copies do. `all`: see Split.
    Raises DataError when there are too few frames or sessions.
    """
    if not 0 <= fold < folds or folds < 2:
        raise DataError(f"fold {fold} of {folds}: there must be 2 folds or more, counted from 0")
    names = [s.name for s in samples]
    if len(set(names)) < len(names):
        raise DataError("two images have the same name; rename one, or put the datasets into one folder")
    if protocol == "all":
        contents = {sample.name: found.file for sample, found in zip(samples, prints)}
        return Split(protocol, seed, 1, 0, tuple(sorted(names)), (), (), group_by=group_by, contents=contents)
    own = [s.session if protocol == "session-disjoint" else s.name for s in samples]
    keys = _joined(own, prints, protocol)
    groups: dict[str, list[str]] = defaultdict(list)
    for sample, key in zip(samples, keys):
        groups[key].append(sample.name)
    if len(groups) < max(3, folds):
        raise DataError(_too_few(len(groups), folds, protocol, {*keys} < {*own}, len(samples)))
    rng = np.random.default_rng(seed)
    shuffled = [groups[key] for key in rng.permutation(sorted(groups))]

    parts: list[list[list[str]]] = [[] for _ in range(folds)]
    for group in sorted(shuffled, key=len, reverse=True):  # a stable sort: ties stay shuffled
        min(parts, key=lambda part: sum(map(len, part))).append(group)
    test = parts[fold]
    rest = [g for i, part in enumerate(parts) if i != fold for g in part]
    if len(rest) < 2:
        raise DataError(
            f"fold {fold} of {folds} leaves one {_kind(protocol)} for training and validation, which need one each: "
            "there are few, or one holds nearly all frames; use another fold, more folds, or more data"
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
        train=_names(train),
        val=_names(val),
        test=_names(test),
        group_by=group_by,
        contents={sample.name: found.file for sample, found in zip(samples, prints)},
    )


def _kind(protocol: Protocol) -> str:
    return "image" if protocol == "random-frame" else "session"


def _too_few(groups: int, folds: int, protocol: Protocol, joined: bool, images: int) -> str:
    """What to say of too few groups. joined: whether copies of one picture made some of them one."""
    told = f"{groups} {_kind(protocol)}{'' if groups == 1 else 's'}"
    if joined:
        told += ", those with copies of one picture counted as one,"
    ways = ["label more data"]
    if groups >= 3:
        ways.insert(0, f"make a split of fewer folds: handseg data split --folds {groups}")
    if protocol == "session-disjoint" and images >= max(3, folds):
        ways.append("say with --group-by how sessions are told, or split frames, which leaks: --protocol random-frame")
    ways.append("train on every image and keep none apart: handseg train --protocol all")
    return (
        f"{told} {'is' if groups == 1 else 'are'} too few for {folds} folds, a validation side and training; "
        + ", or ".join(ways)
    )


def _names(groups: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(sorted(name for group in groups for name in group))


def _joined(groups: Sequence[str], prints: Sequence[Fingerprint], protocol: Protocol) -> list[str]:
    """The group of each sample, where those that share a picture are one: the first of them by name."""
    stands_for: dict[str, str] = {}

    def head(group: str) -> str:
        while group in stands_for:
            group = stands_for[group]
        return group

    for copy in find_copies(prints):
        if copy.exact or protocol == "session-disjoint":
            one, other = sorted((head(groups[copy.first]), head(groups[copy.second])))
            if one != other:
                stands_for[other] = one
    return [head(group) for group in groups]
