"""Live pictures over HTTP, as a browser shows them: a page at /, MJPEG at /stream, one picture at /frame.jpg."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import numpy as np

from handseg.errors import MissingExtraError, VideoError

try:
    import cv2
except ImportError as error:
    raise MissingExtraError("Serving pictures", "video") from error

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_CONNECTIONS = 16  # at once; each has a thread
STALLED = 10.0  # seconds after which a client that takes nothing is let go
SEND_BUFFER = 1 << 17  # bytes; what the system holds back for a slow client is what it lags behind
BOUNDARY = "handseg"
PAGE = b"""<!doctype html><meta charset="utf-8"><title>handseg</title>
<style>body{margin:0;background:#222}img{display:block;margin:auto;max-width:100%;max-height:100vh}</style>
<img src="stream" alt="live picture">
"""


class Newest:
    """The newest picture, for any number of threads to wait for; encoded once, when one asks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._picture: np.ndarray | None = None
        self._jpeg: bytes | None = None
        self._number = 0
        self._is_closed = False

    def put(self, picture: np.ndarray) -> None:
        with self._changed:
            self._picture, self._jpeg = picture, None
            self._number += 1
            self._changed.notify_all()

    def get(self, after: int) -> tuple[int, bytes] | None:
        """Number and JPEG of the newest picture once it is newer than number `after`; None: there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > after or self._is_closed)
            if self._is_closed or self._picture is None:
                return None
            if self._jpeg is None:
                bgr = cv2.cvtColor(self._picture, cv2.COLOR_RGB2BGR)
                self._jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
            return self._number, self._jpeg

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


class MjpegServer:
    """Shows pictures to several clients at once; a context manager that stops its threads.

    Each client gets the newest picture whenever it has taken the last one: a slow one skips, and nothing piles up.
    port: 0 for a free one. host: 127.0.0.1 serves this computer alone, and then only requests that name it, so that
    no page from elsewhere can read the camera; 0.0.0.0 serves everybody who reaches the port.
    Raises VideoError when the port can't be used.
    """

    def __init__(self, port: int, host: str = LOOPBACK[0]) -> None:
        self._newest = Newest()
        try:
            self._server = _Server((host, port), self._newest)
        except OSError as error:
            raise VideoError(
                f"{host}:{port}: can't serve there ({error.strerror or error}); choose another port; 0 takes a free one"
            ) from error
        self.url = f"http://{host}:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="handseg-http")
        self._thread.start()

    def show(self, picture: np.ndarray) -> None:
        """Make RGB uint8 H×W×3 the newest picture; it must not be changed afterwards."""
        self._newest.put(picture)

    def close(self) -> None:
        self._newest.close()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> MjpegServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them

    def __init__(self, address: tuple[str, int], newest: Newest) -> None:
        self._connections: set[Any] = set()
        self._lock = threading.Lock()
        self.newest = newest
        self.is_local = address[0] in LOOPBACK
        super().__init__(address, _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._lock:
            if len(self._connections) >= MOST_CONNECTIONS:
                return False
            self._connections.add(request)
            return True

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Wake the threads that are in the middle of sending or waiting for a request."""
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no event."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = STALLED

    def do_GET(self) -> None:
        if self.server.is_local and self.headers.get("Host", "").rsplit(":", 1)[0].strip("[]") not in LOOPBACK:
            self.send_error(HTTPStatus.FORBIDDEN, "Only requests that name this computer are answered")
        elif self.path == "/":
            self._answer("text/html; charset=utf-8", PAGE)
        elif self.path not in ("/stream", "/frame.jpg"):
            self.send_error(HTTPStatus.NOT_FOUND)
        elif self.path == "/frame.jpg":
            self._one()
        else:
            self._stream()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: stderr belongs to the command."""

    def _one(self) -> None:
        newest = self.server.newest.get(0)
        if newest is None:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self._answer("image/jpeg", newest[1])

    def _stream(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        number = 0
        while newest := self.server.newest.get(number):
            number, jpeg = newest
            head = (
                f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\nX-Frame: {number}\r\n\r\n"
            )
            self.wfile.write(head.encode() + jpeg + b"\r\n")

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)
