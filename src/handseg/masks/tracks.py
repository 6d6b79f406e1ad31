"""Which hand is which from frame to frame: ids that stay with the regions of `HandMask.hands`. Numpy only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from handseg.masks.hand import Hand

PATIENCE = 10  # frames
HORIZON = 0.1  # seconds; a hand is not taken to fly on for longer than that
REACH = 1.0  # diagonals of its box that a hand may lie away from where it is expected
SIZES_APART = 10.0  # times its area: a speck is no continuation of a hand
NEWEST = 0.5  # share of the newest step in the velocity


@dataclass(frozen=True)
class Track:
    """A hand of one frame, and who it is.

    id: from 1, never given again. seen: number of frames in which it was found, with this one. velocity: of its
    centroid, (x, y) in pixels a second.
    """

    id: int
    hand: Hand
    seen: int
    velocity: tuple[float, float]


@dataclass
class _Known:
    track: Track
    time: float
    missed: int = 0

    def expected(self, time: float) -> np.ndarray:
        """The way, (x, y) in pixels, that the hand has presumably gone since it was last seen."""
        return np.asarray(self.track.velocity) * min(max(0.0, time - self.time), HORIZON)


class Tracker:
    """Holds the state of one video; feed it each frame's hands once, in order.

    Pairs are matched greedily by how much the boxes overlap and how near the centroids are, after each known hand was
    moved on at its last velocity. patience: frames that a hand may be missing and still get its id back.

    Hands that touch are one region, which goes on as one of them; the other one's id comes back if they part in time.
    Two that cross while they touch may come out with their ids exchanged: nothing here looks at what they look like.
    """

    def __init__(self, patience: int = PATIENCE) -> None:
        if patience < 0:
            raise ValueError(f"patience is {patience}; it must be 0 frames or more")
        self.patience = patience
        self._known: list[_Known] = []
        self._next = 1

    def __call__(self, hands: Iterable[Hand], time: float) -> list[Track]:
        """The track of each hand, in the order of `hands`. time: of the frame, in seconds."""
        hands = list(hands)
        matched = self._match(hands, time)
        for known in self._known:
            known.missed += 1
        tracks = []
        for i, hand in enumerate(hands):
            if i in matched:
                known = matched[i]
                known.track = _continued(known, hand, time)
                known.time, known.missed = time, 0
            else:
                known = _Known(Track(self._next, hand, 1, (0.0, 0.0)), time)
                self._next += 1
                self._known.append(known)
            tracks.append(known.track)
        self._known = [known for known in self._known if known.missed <= self.patience]
        return tracks

    def _match(self, hands: Sequence[Hand], time: float) -> dict[int, _Known]:
        """Known hands by the position, in `hands`, of what they are now; the surest pairs first."""
        pairs = [
            (affinity, k, i)
            for k, known in enumerate(self._known)
            for i, hand in enumerate(hands)
            if (affinity := _affinity(known, hand, time)) > 0
        ]
        taken: set[int] = set()
        matched: dict[int, _Known] = {}
        for _, k, i in sorted(pairs, key=lambda pair: -pair[0]):
            if k not in taken and i not in matched:
                taken.add(k)
                matched[i] = self._known[k]
        return matched


def _affinity(known: _Known, hand: Hand, time: float) -> float:
    """How well a hand continues a known one, in [0, 2]: nearness of centroids plus IoU of boxes; 0: not at all."""
    old = known.track.hand
    if max(old.area, hand.area) > SIZES_APART * min(old.area, hand.area):
        return 0.0
    way = known.expected(time)
    distance = float(np.hypot(*(np.asarray(old.centroid) + way - hand.centroid)))
    # Where it may be by now grows with the time that it wasn't seen.
    reach = REACH * max(np.hypot(*old.box[2:]), np.hypot(*hand.box[2:])) * np.sqrt(1 + known.missed)
    near = max(0.0, 1 - distance / float(reach))
    return near + _box_iou((old.box[0] + way[0], old.box[1] + way[1], *old.box[2:]), hand.box) if near else 0.0


def _box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """IoU of two boxes (x, y, width, height)."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return float(shared / (a[2] * a[3] + b[2] * b[3] - shared))


def _continued(known: _Known, hand: Hand, time: float) -> Track:
    old = known.track
    step = time - known.time
    velocity = old.velocity
    if step > 0:
        now = (np.asarray(hand.centroid) - old.hand.centroid) / step
        newest = NEWEST if old.seen > 1 else 1.0
        mixed = newest * now + (1 - newest) * np.asarray(velocity)
        velocity = (float(mixed[0]), float(mixed[1]))
    return Track(old.id, hand, old.seen + 1, velocity)
