"""Which kinds of video file are opened."""

# FFmpeg takes what looks like any of some 300 kinds: pictures of any size, playlists that name other files or
# addresses, text. Cameras, phones and editors write these.
CONTAINERS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "asf", "flv", "ogg", "mxf", "gxf", "dv", "wtv", "rm"),
    *("mp3", "flac", "wav", "aac"),  # sound, to say that it is
    *("mjpeg", "m4v", "h264", "hevc", "vvc", "av1", "obu", "ivf", "vc1", "nut", "yuv4mpegpipe"),
)
OPENING = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}  # for `av.open` of a file
FRAMES_OF_JPEG = frozenset({".mjpeg", ".mjpg"})  # one JPEG after the other: FFmpeg takes them for a picture


def format_of(suffix: str) -> str | None:
    """FFmpeg's name of the kind that a suffix stands for, where the content doesn't tell; else None."""
    return "mjpeg" if suffix.lower() in FRAMES_OF_JPEG else None
