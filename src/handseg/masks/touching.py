"""Two hands that touch are one region of the mask: cut it between them, where a network is sure that they are two."""

from __future__ import annotations

import numpy as np

from handseg.masks.regions import Runs, components

# How a single hand of which a network takes one half for another hand differs from two hands that touch, measured in
# docs/outputs.md: the network is less sure of it, and the border runs through the palm, not across a narrow place.
SURE = 0.8  # mean probability of its class over each part
SHARE = 0.15  # of the region; a smaller part is no hand of its own
BORDER = 1.2  # its length, in roots of the smaller part's area
WHOLE = 0.95  # of the region lies in one piece of each class
SMOOTH = 0.08  # radius over which classes are averaged, in roots of the region's area
FEWEST = 16  # pixels of the network in a region that may be cut


def split_touching(runs: Runs, classes: np.ndarray, probability: np.ndarray, area: float, confidence: float) -> Runs:
    """The regions, cut where two hands of different classes touch and the network is sure of both.

    classes: float32 4×h×w, the probability of each of HAND_CLASSES over the whole image, at any resolution.
    probability: float32 H×W. area, confidence: what each part must have of pixels and of mean probability.
    """
    waiting = _candidates(runs, classes)
    while waiting:
        region = waiting.pop()
        margin = _margin(runs.sampled(*classes.shape[1:]) == region, classes)
        if margin is None:
            continue
        inside, top, left = runs.crop(region)
        part = slice(top, top + inside.shape[0]), slice(left, left + inside.shape[1])
        parts = _cut(inside, _positive(margin, part, runs.shape, classes.shape[1:]))
        sizes = [np.count_nonzero(parts == i) for i in (1, 2)]
        if min(sizes) < max(area, SHARE * sum(sizes)):
            continue
        if min(float(probability[part][parts == i].mean()) for i in (1, 2)) < confidence:
            continue
        runs = runs.replaced(region, parts, top, left)
        waiting += [region, runs.count]
    return runs


def _candidates(runs: Runs, classes: np.ndarray) -> list[int]:
    """The regions in which a second class has enough pixels."""
    sampled = runs.sampled(*classes.shape[1:]).ravel()
    inside = np.flatnonzero(sampled)
    likeliest = classes.reshape(len(classes), -1)[:, inside].argmax(0)
    votes = np.bincount(sampled[inside] * 4 + likeliest, minlength=4 * (runs.count + 1)).reshape(-1, 4)
    second = np.sort(votes, axis=1)[:, -2]
    total = votes.sum(1)
    found = (total >= FEWEST) & (second >= SHARE / 2 * total)
    return np.flatnonzero(found).tolist()


def _margin(inside: np.ndarray, classes: np.ndarray) -> np.ndarray | None:
    """float64 h×w: below 0 in one hand and above in the other, smooth; None where the region is one hand.

    inside: bool h×w, at the network's resolution.
    """
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    n = np.count_nonzero(inside)
    if n < FEWEST:
        return None
    radius = max(1, round(SMOOTH * n**0.5))
    box = (
        slice(max(0, rows[0] - radius), rows[-1] + radius + 1),
        slice(max(0, columns[0] - radius), columns[-1] + radius + 1),
    )
    here, seen = inside[box], classes[(slice(None), *box)]
    votes = np.bincount(seen[:, here].argmax(0), minlength=len(classes))
    weight = np.maximum(_box_sum(here.astype(np.float64), radius), 1)
    for one in np.argsort(-votes, kind="stable"):
        if votes[one] < SHARE / 2 * n:
            break
        mine, others = seen[one], np.delete(seen, one, axis=0).max(axis=0)
        margin = _box_sum(np.where(here, others - mine, 0.0), radius) / weight
        if _are_two(here & (margin <= 0), here & (margin > 0), mine, others):
            whole = np.zeros(inside.shape)
            whole[box] = margin
            return whole
    return None


def _are_two(one: np.ndarray, other: np.ndarray, mine: np.ndarray, others: np.ndarray) -> bool:
    """Whether two parts of a region, bool h×w, are two hands. mine, others: the probabilities of their classes."""
    sizes = np.count_nonzero(one), np.count_nonzero(other)
    if min(sizes) < SHARE * sum(sizes) or min(mine[one].mean(), others[other].mean()) < SURE:
        return False
    if sum(components(part).areas.max() for part in (one, other)) < WHOLE * sum(sizes):
        return False
    return _border(one, other) <= float(BORDER * min(sizes) ** 0.5)


def _border(one: np.ndarray, other: np.ndarray) -> float:
    """Length of the border between two parts, in pixels; of a straight one exact, in whatever direction it runs."""
    beside = np.count_nonzero(one[:, 1:] & other[:, :-1]) + np.count_nonzero(other[:, 1:] & one[:, :-1])
    below = np.count_nonzero(one[1:] & other[:-1]) + np.count_nonzero(other[1:] & one[:-1])
    return float(np.hypot(beside, below))


def _cut(inside: np.ndarray, beyond: np.ndarray) -> np.ndarray:
    """uint8 h×w: 1 and 2 on the two parts of a region, each in one piece where the region is.

    beyond: bool h×w, where the second one is.
    """
    main = _largest(inside)
    kept = _largest(main & ~beyond)
    other = _largest(main & ~kept)  # what is left touches `kept`, and so may go to it
    apart = inside & ~main & beyond
    return np.where(other | apart, 2, inside).astype(np.uint8)


def _largest(mask: np.ndarray) -> np.ndarray:
    found = components(mask)
    if found.count < 2:
        return mask
    return found.chosen(np.array([int(np.argmax(found.areas)) + 1])).mask() > 0


def _positive(
    values: np.ndarray, part: tuple[slice, slice], image: tuple[int, int], network: tuple[int, int]
) -> np.ndarray:
    """bool: where `values`, h×w over the whole image, are above 0 at the pixels of a part of the image; bilinear."""
    between = []
    for where, large, small in zip(part, image, network):
        place = ((np.arange(where.start, where.stop) + 0.5) * small / large - 0.5).clip(0, small - 1)
        before = place.astype(np.intp)
        between.append((before, np.minimum(before + 1, small - 1), place - before))
    (top, bottom, down), (left, right, across) = between
    wide = values[:, left] * (1 - across) + values[:, right] * across
    result = np.empty((len(top), len(left)), bool)
    for i in range(len(top)):  # a row at a time: images may be large
        result[i] = wide[top[i]] * (1 - down[i]) + wide[bottom[i]] * down[i] > 0
    return result


def _box_sum(values: np.ndarray, radius: int) -> np.ndarray:
    """Of each element the sum over a square around it, 2·radius + 1 wide; nothing lies outside."""
    for axis in (0, 1):
        n = values.shape[axis]
        totals = np.concatenate([np.zeros_like(values.take([0], axis)), np.cumsum(values, axis=axis)], axis=axis)
        here = np.arange(n)
        values = totals.take(np.minimum(here + radius + 1, n), axis) - totals.take(np.maximum(here - radius, 0), axis)
    return values
