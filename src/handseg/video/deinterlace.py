"""Interlaced frames made whole: their two fields are of different moments, which stand as a comb beside what moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from handseg.errors import MissingExtraError

try:
    import av.filter
except ImportError as error:
    raise MissingExtraError("Video", "video") from error


def deinterlaced(frames: Iterable[Any]) -> Iterator[Any]:
    """As many frames, at the same times; those that aren't interlaced stay as they are."""
    graph: _Bwdif | None = None
    for frame in frames:
        if graph is not None and not graph.fits(frame):
            yield from graph.finish()
            graph = None
        if graph is None and frame.interlaced_frame:
            graph = _Bwdif(frame)
        if graph is None:
            yield frame
        else:
            yield from graph(frame)
    if graph is not None:
        yield from graph.finish()


class _Bwdif:
    """FFmpeg's filter, for frames of one size and format. It gives each when it has the next."""

    def __init__(self, frame: Any) -> None:
        self._key = _key(frame)
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        filter_ = self._graph.add("bwdif", "mode=send_frame:deint=interlaced")
        self._graph.link_nodes(source, filter_, self._graph.add("buffersink")).configure()

    def fits(self, frame: Any) -> bool:
        return self._key == _key(frame)

    def __call__(self, frame: Any) -> Iterator[Any]:
        self._graph.push(frame)
        return self._pull()

    def finish(self) -> Iterator[Any]:
        self._graph.push(None)
        return self._pull()

    def _pull(self) -> Iterator[Any]:
        while True:
            try:
                yield self._graph.pull()
            except (BlockingIOError, EOFError):
                return


def _key(frame: Any) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
