"""Regions of a mask as horizontal runs of pixels: a few thousand numbers, however large the image is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

AT_ONCE = 1 << 20  # pixels that are summed at a time: of a large image they are many


@dataclass(frozen=True, eq=False)
class Runs:
    """Horizontal runs of pixels, each of one region, from the top left on.

    shape: (height, width) of the image. rows, starts, ends: int64 (n,), of each run its row, first column, and the
    column past its last one. regions: int64 (n,), from 1 to `count`.
    """

    shape: tuple[int, int]
    rows: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    regions: np.ndarray
    count: int

    @property
    def areas(self) -> np.ndarray:
        """Of each region its number of pixels, float64 (count,)."""
        return self.per_region(self.ends - self.starts)

    def per_region(self, values: np.ndarray) -> np.ndarray:
        """float64 (count,): of each region the sum of a value that each run has."""
        return np.asarray(np.bincount(self.regions, values, self.count + 1)[1:])

    def sums(self, values: np.ndarray) -> np.ndarray:
        """float64 (count,): of each region the sum over its pixels of `values`, H×W."""
        flat, first, lengths = values.ravel(), self.rows * self.shape[1] + self.starts, self.ends - self.starts
        inside = np.zeros(len(lengths))
        after = np.cumsum(lengths)  # pixels up to the end of each run
        steps = np.arange(0, int(lengths.sum()), AT_ONCE)
        for start, stop in pairwise([*np.searchsorted(after, steps).tolist(), len(lengths)]):
            if start < stop:
                before = after[start:stop] - lengths[start:stop] - (after[start] - lengths[start])
                pixels = np.arange(before[-1] + lengths[stop - 1])
                pixels += np.repeat(first[start:stop] - before, lengths[start:stop])
                inside[start:stop] = np.add.reduceat(flat[pixels], before, dtype=np.float64)
        return self.per_region(inside)

    def chosen(self, order: np.ndarray) -> Runs:
        """Only the regions of these numbers, and numbered anew in this order."""
        number = np.zeros(self.count + 1, np.int64)
        number[order] = np.arange(1, len(order) + 1)
        regions = number[self.regions]
        kept = regions > 0
        return Runs(self.shape, self.rows[kept], self.starts[kept], self.ends[kept], regions[kept], len(order))

    def at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """int64 (n,): the regions of pixels that lie in one."""
        run = np.searchsorted(self.rows * self.shape[1] + self.starts, rows * self.shape[1] + columns, "right") - 1
        return np.asarray(self.regions[run])

    def merged(self, into: np.ndarray) -> Runs:
        """With each region i + 1 made part of region into[i], which stays itself; numbered anew in the same order."""
        kept, number = np.unique(into, return_inverse=True)
        regions = number[self.regions - 1] + 1
        return Runs(self.shape, self.rows, self.starts, self.ends, regions, len(kept))

    def boxes(self) -> np.ndarray:
        """int64 (count, 4): of each region its first row and column, and those past its last ones."""
        box = np.empty((self.count, 4), np.int64)
        box[:, :2], box[:, 2:] = max(self.shape), 0
        region = self.regions - 1
        np.minimum.at(box[:, 0], region, self.rows)
        np.minimum.at(box[:, 1], region, self.starts)
        np.maximum.at(box[:, 2], region, self.rows + 1)
        np.maximum.at(box[:, 3], region, self.ends)
        return box

    def crop(self, region: int) -> tuple[np.ndarray, int, int]:
        """bool h×w: a region's pixels within its box; and the row and column of the box."""
        mine = self.regions == region
        rows, starts, ends = self.rows[mine], self.starts[mine], self.ends[mine]
        top, left = int(rows.min()), int(starts.min())
        # A run begins with +1 and ends with −1; the last column is for the ends at the right edge.
        edges = np.zeros((int(rows.max()) - top + 1, int(ends.max()) - left + 1), np.int8)
        edges[rows - top, starts - left] = 1
        edges[rows - top, ends - left] -= 1
        return np.cumsum(edges, axis=1, dtype=np.int8)[:, :-1] > 0, top, left

    def replaced(self, region: int, parts: np.ndarray, top: int, left: int) -> Runs:
        """With a region cut in two: `parts`, h×w from `top` and `left`, is 1 on what keeps its number and 2 on the new
        region, which is numbered last."""
        new = runs_of(parts)
        others = self.regions != region
        rows = np.concatenate([self.rows[others], new.rows + top])
        starts = np.concatenate([self.starts[others], new.starts + left])
        ends = np.concatenate([self.ends[others], new.ends + left])
        numbers = np.concatenate([self.regions[others], np.where(new.regions == 1, region, self.count + 1)])
        order = np.lexsort([starts, rows])
        return Runs(self.shape, rows[order], starts[order], ends[order], numbers[order], self.count + 1)

    def paint(self) -> np.ndarray:
        """int32 H×W: the number of each pixel's region, 0 where there is none."""
        labels = np.zeros(self.shape, np.int32)
        labels[self._inside()] = np.repeat(self.regions, self.ends - self.starts)
        return labels

    def sampled(self, height: int, width: int) -> np.ndarray:
        """int32 height×width: the region at the centre of each cell of a grid laid over the image; 0 for none."""
        rows = ((np.arange(height) + 0.5) * self.shape[0] / height).astype(int)
        columns = ((np.arange(width) + 0.5) * self.shape[1] / width).astype(int)
        looked_at, place = np.unique(rows, return_inverse=True)
        line = np.full(self.shape[0], -1)
        line[looked_at] = np.arange(len(looked_at))
        there = line[self.rows] >= 0
        lines = Runs(
            (len(looked_at), self.shape[1]),
            line[self.rows[there]],
            self.starts[there],
            self.ends[there],
            self.regions[there],
            self.count,
        )
        return np.asarray(lines.paint()[np.ix_(place, columns)])

    def mask(self) -> np.ndarray:
        """uint8 H×W: 255 on the regions, else 0."""
        return np.asarray(self._inside().view(np.uint8) * np.uint8(255))

    def _inside(self) -> np.ndarray:
        edges = np.zeros((self.shape[0], self.shape[1] + 1), np.int8)
        edges[self.rows, self.starts] = 1
        edges[self.rows, self.ends] -= 1  # where one run ends and the next begins, nothing changes
        return np.cumsum(edges, axis=1, dtype=np.int8)[:, :-1] > 0


def runs_of(regions: np.ndarray) -> Runs:
    """The runs of a map of regions, H×W: 0 background, then 1 … n."""
    padded = np.pad(regions, ((0, 0), (1, 1)))
    rows, edges = np.nonzero(padded[:, 1:] != padded[:, :-1])
    values = padded[rows, edges + 1]  # right of the edge; 0 at the last of a row
    first = np.flatnonzero(values)
    numbers = values[first].astype(np.int64)
    return Runs(regions.shape, rows[first], edges[first], edges[first + 1], numbers, int(numbers.max(initial=0)))


def components(mask: np.ndarray) -> Runs:
    """The 8-connected regions of the non-zero pixels of a mask H×W.

    Each run is joined with those it touches in the row above (He et al., 2008).
    """
    height, width = mask.shape
    inside = mask > 0
    edge = np.empty((height, width + 1), bool)  # where a run starts, or has just ended
    edge[:, 0], edge[:, -1] = inside[:, 0], inside[:, -1]
    np.not_equal(inside[:, 1:], inside[:, :-1], out=edge[:, 1:-1])
    rows, columns = np.divmod(np.flatnonzero(edge), width + 1)
    first = np.searchsorted(rows[::2], np.arange(height + 1)).tolist()
    starts, ends = columns[::2].tolist(), columns[1::2].tolist()  # lists: numpy's numbers are slow one by one
    parent = list(range(len(starts)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for row in range(1, height):
        above, here = first[row - 1], first[row]
        stop_above, stop_here = here, first[row + 1]
        while above < stop_above and here < stop_here:
            if starts[above] <= ends[here] and starts[here] <= ends[above]:
                a, b = root(above), root(here)
                parent[max(a, b)] = min(a, b)
            if ends[above] < ends[here]:
                above += 1
            else:
                here += 1
    roots = np.array([root(i) for i in range(len(parent))], int)
    numbers = np.unique(roots, return_inverse=True)[1] + 1
    return Runs(mask.shape, rows[::2], columns[::2], columns[1::2], numbers, int(numbers.max(initial=0)))


def binarise(probability: np.ndarray, threshold: float) -> np.ndarray:
    """Mask uint8 H×W, 255 where the probability is at least `threshold`, else 0."""
    return np.asarray((probability >= threshold).view(np.uint8) * np.uint8(255))


def label_components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Label the 8-connected regions of non-zero pixels: int32 H×W (0 background, then 1 … n), and n."""
    found = components(mask)
    return found.paint(), found.count
