"""What lies on both sides of a split, and so makes its scores too good: a session, or the same picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from handseg.data.copies import Fingerprint, find_copies
from handseg.data.faults import Fault, raise_errors
from handseg.data.sample import Sample
from handseg.data.splits import SUBSETS, Split

ANEW = "make the split anew: handseg data split"
Prints = Mapping[Path, Fingerprint]  # of images; those that can't be read are left out


def refuse_leaks(split: Split, samples: Sequence[Sample], prints: Prints, path: Path) -> None:
    """Raises DataError naming what is on two sides of a split (see `split_faults`). path: the split's file."""
    raise_errors(split_faults(split, samples, prints, path))


def split_faults(split: Split, samples: Sequence[Sample], prints: Prints, path: Path) -> list[Fault]:
    """What is wrong with a split of these samples: other images than it was made from, and what is on two sides.

    Sessions and copies that aren't exact may only be on both sides of `random-frame`, where frames of one video are.
    """
    known = {s.name: s for s in samples}
    sides: dict[str, list[Sample]] = {side: [known[n] for n in getattr(split, side) if n in known] for side in SUBSETS}
    disjoint = split.protocol == "session-disjoint"
    faults = []
    others = [
        sample
        for members in sides.values()
        for sample in members
        if sample.name in split.contents
        and sample.image in prints
        and prints[sample.image].file != split.contents[sample.name]
    ]
    if others:
        message = (
            f"{len(others)} images aren't those that it was made from, {others[0].image} first; "
            f"use the data it was made from, or {ANEW}"
        )
        faults.append(Fault("error", "other-data", path, message))
    found = overlaps(sides, prints, sessions=disjoint, near=disjoint)
    return [*faults, *(Fault("error", kind, path, f"{message}; {ANEW}") for kind, message in found)]


def overlaps(
    sides: Mapping[str, Sequence[Sample]], prints: Prints, *, sessions: bool = True, near: bool = True
) -> list[tuple[str, str]]:
    """Kind and description of each session and each picture that is on two sides.

    sides: of what is to be kept apart, by their names in the messages. sessions: whether to look for them.
    near: whether re-encoded copies count too.
    """
    found = []
    first: dict[str, tuple[str, Sample]] = {}
    told: set[tuple[str, str]] = set()
    for side, members in sides.items() if sessions else ():
        for sample in members:
            other, earlier = first.setdefault(sample.session, (side, sample))
            if other != side and (sample.session, side) not in told:
                told.add((sample.session, side))
                message = f"{earlier.image} ({other}) and {sample.image} ({side})"
                found.append(("session", f"session {sample.session} is on two sides, {message}"))
    placed = [(side, s) for side, members in sides.items() for s in members if s.image in prints]
    for copy in find_copies([prints[s.image] for _, s in placed]):
        (side, one), (other, another) = placed[copy.first], placed[copy.second]
        if side != other and (near or copy.exact):
            same = "the same picture" if copy.exact else "nearly the same picture"
            found.append(("copy", f"{one.image} ({side}) and {another.image} ({other}) show {same}"))
    return found
