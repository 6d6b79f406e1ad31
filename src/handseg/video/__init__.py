"""Video: readers and writers, each a context manager that holds a frame or two at a time."""

from handseg.video.reader import VideoFrame, VideoReader
from handseg.video.writer import VideoWriter

__all__ = ["VideoFrame", "VideoReader", "VideoWriter"]
