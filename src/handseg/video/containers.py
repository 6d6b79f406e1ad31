"""Which kinds of video file are opened."""

# FFmpeg takes what looks like any of some 300 kinds: pictures of any size, playlists that name other files or
# addresses, text. Cameras, phones and editors write these.
CONTAINERS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "asf", "flv", "ogg", "mxf", "gxf", "dv", "wtv", "rm"),
    *("mjpeg", "m4v", "h264", "hevc", "vvc", "av1", "obu", "ivf", "vc1", "nut", "yuv4mpegpipe"),
)
OPENING = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}  # for `av.open` of a file
