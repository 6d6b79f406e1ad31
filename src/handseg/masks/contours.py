"""Outlines of a mask as polygons, exact or simplified. Numpy only."""

from __future__ import annotations

import numpy as np

# The four directions of walking along an edge, in (x, y): right, down, left, up.
STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])


def trace(mask: np.ndarray) -> list[np.ndarray]:
    """The outlines of a mask along the edges of its pixels, so that filling them gives the same pixels.

    mask: H×W, non-zero is inside. Returns int64 (n, 2) arrays of (x, y), corners only, x in [0, W], y in [0, H]; outer
    outlines run clockwise as seen in the picture (positive `area`), those of holes counterclockwise. Regions that
    touch at a corner are one, as in `regions.label_components`.
    """
    inside = np.pad(mask.astype(bool), 1)
    below, above = inside[1:, 1:-1], inside[:-1, 1:-1]  # of each horizontal edge
    right, left = inside[1:-1, 1:], inside[1:-1, :-1]  # of each vertical edge
    # The inside is always on the right hand: along the top of a pixel one walks to the right, and so on.
    starts = [
        np.argwhere(found)[:, ::-1] + offset
        for found, offset in (
            (below & ~above, (0, 0)),
            (left & ~right, (0, 0)),
            (above & ~below, (1, 0)),
            (right & ~left, (0, 1)),
        )
    ]
    start = np.concatenate(starts)
    direction = np.repeat(np.arange(4), [len(s) for s in starts])
    edge = np.full((4, mask.shape[0] + 1, mask.shape[1] + 1), -1, np.int64)
    edge[direction, start[:, 1], start[:, 0]] = np.arange(len(start))
    end = start + STEPS[direction]
    # Turn left where one can: where two regions touch at a corner, that leads over to the other one.
    options = np.stack([edge[(direction + turn) % 4, end[:, 1], end[:, 0]] for turn in (-1, 0, 1)])
    following = np.where(options[0] >= 0, options[0], np.where(options[1] >= 0, options[1], options[2]))
    is_corner = direction[following] != direction
    outlines = []
    seen = np.zeros(len(start), bool)
    successor, corner = following.tolist(), is_corner.tolist()
    for first in range(len(start)):
        if seen[first]:
            continue
        walk, here = [], first
        while True:
            if corner[here]:
                walk.append(here)
            seen[here] = True
            here = successor[here]
            if here == first:
                break
        outlines.append(end[walk])
    return outlines


def simplify(outline: np.ndarray, tolerance: float) -> np.ndarray:
    """Leave out corners of a closed polygon (n, 2) as long as no point of it moves by more than `tolerance` pixels.

    Source: Douglas and Peucker, Cartographica 10(2), 1973, on the two halves between the first point and the furthest.
    """
    points = np.asarray(outline, np.float64)
    if len(points) < 4 or tolerance <= 0:
        return np.asarray(outline)
    far = int(np.argmax(((points - points[0]) ** 2).sum(1)))
    closed = np.concatenate([points, points[:1]])
    keep = np.zeros(len(closed), bool)
    keep[[0, far]] = True
    spans = [(0, far), (far, len(points))]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        a, b = closed[first], closed[last]
        between = closed[first + 1 : last]
        chord = b - a
        length = float(np.hypot(*chord))
        offset = between - a
        if length == 0:
            distance = np.hypot(offset[:, 0], offset[:, 1])
        else:
            along = np.clip(offset @ chord / length**2, 0, 1)
            distance = np.hypot(*(offset - along[:, None] * chord).T)
        worst = int(np.argmax(distance))
        if distance[worst] > tolerance:
            middle = first + 1 + worst
            keep[middle] = True
            spans += [(first, middle), (middle, last)]
    return np.asarray(outline)[keep[:-1]]


def area(outline: np.ndarray) -> float:
    """Of a closed polygon (n, 2) of (x, y); positive where it runs clockwise as seen in the picture."""
    x, y = np.asarray(outline, np.float64).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def convex_hull(points: np.ndarray) -> np.ndarray:
    """The corners of the convex hull of (n, 2) points of (x, y), in the direction of positive `area`.

    The two chains of Andrew (Information Processing Letters 9(5), 1979); a pass takes out all corners at once that
    bend inwards, which no corner of the hull does, until none is left.
    """
    ordered = points[np.lexsort(points.T[::-1])]
    ordered = ordered[np.append(True, (ordered[1:] != ordered[:-1]).any(1))]
    chains = []
    for chain in (ordered, ordered[::-1]):
        while True:
            step = np.diff(chain, axis=0)
            turns = step[:-1, 0] * step[1:, 1] - step[:-1, 1] * step[1:, 0] > 0
            if turns.all():
                break
            chain = chain[np.concatenate([[True], turns, [True]])]
        chains.append(chain[:-1])
    return np.concatenate(chains) if len(ordered) > 1 else ordered
