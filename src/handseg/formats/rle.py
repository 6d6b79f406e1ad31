"""COCO's run-length encoding: lossless masks. Source of the format: cocodataset/cocoapi, common/maskApi.c."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from handseg.errors import AnnotationError
from handseg.masks.instances import inside_of

MOST_PIXELS = 2**31  # of a mask; more is no image
LONGEST = 13  # characters of five bits in which a length is written


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """The compressed encoding of a mask H×W: {"size": [H, W], "counts": str}.

    Raises AnnotationError for what is no mask.
    """
    inside = inside_of(mask)
    return encode_part(inside, 0, 0, *inside.shape)


def encode_part(part: np.ndarray, x: int, y: int, height: int, width: int) -> dict[str, Any]:
    """The encoding of an image of height × width pixels that is `part`, bool h×w, from column x and row y on, else 0.

    Runs go down the columns, background first; each length is written as the difference from the one two before, five
    bits a character.
    """
    down = np.pad(part.T, ((0, 0), (1, 1)))
    columns, rows = np.nonzero(down[:, 1:] != down[:, :-1])
    bounds = (columns + x) * height + rows + y  # where runs start and end, in turn
    joined = np.flatnonzero(bounds[1:-1:2] == bounds[2::2])  # a run that goes on at the top of the next column
    bounds = np.delete(bounds, np.concatenate([2 * joined + 1, 2 * joined + 2]))
    size = height * width
    if not len(bounds) or bounds[-1] != size:
        bounds = np.append(bounds, size)
    runs = np.diff(bounds, prepend=0).tolist()
    characters = []
    for i, run in enumerate(runs):
        value = run - runs[i - 2] if i > 2 else run
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            characters.append(chr(48 + (bits | 0x20 if more else bits)))
    return {"size": [height, width], "counts": "".join(characters)}


def decode_rle(rle: Mapping[str, Any]) -> np.ndarray:
    """Mask uint8 H×W, 0 or 255, of {"size": [H, W], "counts": …}.

    counts: compressed, str or bytes (as pycocotools gives), or lengths: a list, a tuple or an array of whole numbers.
    Raises AnnotationError when it is malformed, or its lengths don't add up to the size.
    """
    height, width = _size(rle)
    counts = rle.get("counts")
    if isinstance(counts, bytes):
        counts = counts.decode("latin-1")
    runs = _decompressed(counts) if isinstance(counts, str) else _whole_numbers(counts, "counts")
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise AnnotationError(f"the runs cover {sum(runs)} pixels of {height}×{width}")
    flat = np.repeat(np.resize(np.array([0, 255], np.uint8), len(runs)), runs)
    return np.ascontiguousarray(flat.reshape(width, height).T)


def _size(rle: Mapping[str, Any]) -> tuple[int, int]:
    if not isinstance(rle, Mapping):
        raise AnnotationError(f"a run-length encoding is a mapping with size and counts, not {type(rle).__name__}")
    size = _whole_numbers(rle.get("size"), "size")
    if len(size) != 2 or min(size) < 0 or size[0] * size[1] > MOST_PIXELS:
        raise AnnotationError(f"size {size}: must be the height and width of an image")
    return size[0], size[1]


def _whole_numbers(values: Any, name: str) -> list[int]:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, (list, tuple)):
        raise AnnotationError(f"{name} of a run-length encoding: {type(values).__name__}, not a list of whole numbers")
    try:
        return [operator.index(v) for v in values]
    except TypeError as error:
        raise AnnotationError(f"{name} of a run-length encoding holds something other than whole numbers") from error


def _decompressed(counts: str) -> list[int]:
    runs: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift >= 5 * LONGEST:
            raise AnnotationError(f"counts of a run-length encoding hold {character!r}, which has no place there")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    if shift:
        raise AnnotationError("counts of a run-length encoding end in the middle of a number")
    return runs
