"""What the numbers of a frame mean, both ways: which matrix and range lead from YUV to RGB and back.

The numbers of matrices, primaries and transfers are those of ITU-T H.273, which FFmpeg uses.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handseg.errors import MissingExtraError
from handseg.video.hdr import BT2020, HLG, PQ, ToSdr, has_other_gamut

try:
    import av
    from av.video.reformatter import VideoReformatter
except ImportError as error:
    raise MissingExtraError("Video", "video") from error

BT709, BT601 = 1, 6  # BT.601 as SMPTE 170M; 5, BT.470BG, has the same matrix
MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # matrix → the scaler's number for it
LIMITED, FULL = 1, 2
EXACT = 0x2 | 0x40000  # FFmpeg's SWS_BILINEAR and SWS_ACCURATE_RND
SD = (1279, 576)  # greatest width and height that are taken for standard definition, as players do


def usual_matrix(width: int, height: int) -> int:
    """The matrix of a video of that size that doesn't say which it has."""
    return BT601 if width <= SD[0] and height <= SD[1] else BT709


class ToRgb:
    """Frames of one video as RGB uint8 H×W×3: as tagged, as usual for their size where untagged, HDR brought to SDR."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._to_sdr: ToSdr | None = None

    def __call__(self, frame: av.VideoFrame, transfer: int, primaries: int) -> np.ndarray:
        """transfer, primaries: the stream's."""
        is_hdr = transfer in (PQ, HLG)
        if is_hdr and not has_other_gamut(primaries):
            primaries = BT2020
        if not (is_hdr or has_other_gamut(primaries)):
            return self._rgb(frame, "gbrp", usual_matrix(frame.width, frame.height))
        if self._to_sdr is None or self._to_sdr.key != (transfer, primaries):
            self._to_sdr = ToSdr(transfer, primaries)
        usual = BT2020 if primaries == BT2020 else BT709
        return self._to_sdr(self._rgb(frame, "gbrp16le", usual))

    def _rgb(self, frame: av.VideoFrame, pixels: str, usual: int) -> np.ndarray:
        """By planes, which is as exact as 8 bits are: straight to rgb24, 4:2:0 comes out two levels too dark."""
        matrix = MATRICES.get(frame.colorspace) or MATRICES[usual]
        is_full = frame.color_range == FULL if frame.color_range else _is_full_by_format(frame.format)
        rgb = self._reformatter.reformat(
            frame,
            format=pixels,
            src_colorspace=matrix,
            dst_colorspace=BT709,
            interpolation=EXACT,
            src_color_range=FULL if is_full else LIMITED,
            dst_color_range=FULL,
        )
        return np.asarray(rgb.to_ndarray())


class FromRgb:
    """RGB or RGBA uint8 as frames of a pixel format: the matrix usual for their size, limited range, both tagged."""

    def __init__(self, pixels: str) -> None:
        self._reformatter = VideoReformatter()
        self._pixels = pixels

    def __call__(self, image: np.ndarray) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgba" if image.shape[2] == 4 else "rgb24")
        return self._reformatter.reformat(
            frame,
            format=self._pixels,
            src_colorspace=BT709,
            dst_colorspace=MATRICES[usual_matrix(frame.width, frame.height)],
            src_color_range=FULL,
            dst_color_range=LIMITED,
        )


def tag(context: Any) -> None:
    """Say in an encoder, whose size is set, what `FromRgb` makes."""
    context.colorspace = usual_matrix(context.width, context.height)
    context.color_range = LIMITED
    context.color_primaries = context.color_trc = BT709


def _is_full_by_format(pixels: Any) -> bool:
    """Whether a pixel format has the full range unless it is told otherwise."""
    return bool(pixels.is_rgb or pixels.has_palette or pixels.name.startswith(("yuvj", "gray", "ya", "mono", "bayer")))
