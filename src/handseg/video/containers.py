"""Which kinds of video file are opened."""

from __future__ import annotations

import os
from pathlib import Path

# FFmpeg takes what looks like any of some 300 kinds: pictures of any size, playlists that name other files or
# addresses, text. Cameras, phones and editors write these.
CONTAINERS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "asf", "flv", "ogg", "mxf", "gxf", "dv", "wtv", "rm"),
    *("mjpeg", "m4v", "h264", "hevc", "vvc", "av1", "obu", "ivf", "vc1", "nut", "yuv4mpegpipe"),
    *("mp3", "flac", "wav", "aac"),  # of which it is said that they are sound alone
)
OPENING = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}  # for `av.open` of a file
MOTION_JPEG_SUFFIXES = frozenset({".mjpeg", ".mjpg"})  # such a file begins as a JPEG picture does


def location(path: Path) -> str:
    """How FFmpeg is told a file's path: in full, since in `12:30.mp4` it would take `12` for a protocol."""
    return os.path.join(os.getcwd(), path)


def forced_format(path: Path) -> str | None:
    """The `format` for `av.open` where FFmpeg would take the content for something else, a row of pictures; or None."""
    return "mjpeg" if path.suffix.lower() in MOTION_JPEG_SUFFIXES else None
