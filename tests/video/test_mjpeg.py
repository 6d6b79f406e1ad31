"""The server of live pictures, with real clients on loopback."""

from __future__ import annotations

import io
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2", reason="OpenCV isn't installed: handseg[video]")

from handseg.errors import VideoError
from handseg.video.mjpeg import MOST_CONNECTIONS, MjpegServer

GREEN = np.full((48, 64, 3), (0, 200, 0), np.uint8)


@pytest.fixture
def server() -> Iterator[MjpegServer]:
    before = threading.active_count()
    with MjpegServer(0) as server:
        yield server
    assert threading.active_count() == before


def get(server: MjpegServer, path: str, **headers: str) -> HTTPResponse:
    return urllib.request.urlopen(urllib.request.Request(server.url + path, headers=headers), timeout=10)


def next_part(response: HTTPResponse) -> tuple[int, np.ndarray]:
    """Number and picture of the next part of a stream."""
    assert response.readline() == b"--handseg\r\n"
    headers = {}
    while line := response.readline().strip().decode():
        name, value = line.split(": ")
        headers[name] = value
    jpeg = response.read(int(headers["Content-Length"]))
    assert response.readline() == b"\r\n"
    return int(headers["X-Frame"]), np.array(Image.open(io.BytesIO(jpeg)))


def test_a_page_a_picture_and_nothing_else(server: MjpegServer) -> None:
    server.show(GREEN)
    with get(server, "") as page:
        assert page.headers["Content-Type"].startswith("text/html")
        assert b'src="stream"' in page.read()
    with get(server, "frame.jpg") as picture:
        assert picture.headers["Content-Type"] == "image/jpeg"
        assert np.abs(np.array(Image.open(io.BytesIO(picture.read()))).astype(int) - GREEN).max() < 8
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(server, "etc/passwd")


def test_a_stream_gives_pictures_as_they_come(server: MjpegServer) -> None:
    server.show(GREEN)
    with get(server, "stream") as stream:
        for number in range(1, 6):
            shown, picture = next_part(stream)
            assert (shown, picture.shape) == (number, (48, 64, 3))
            server.show(GREEN + number)


def test_a_slow_client_skips_to_the_newest(server: MjpegServer) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (480, 640, 3)).astype(np.uint8)  # some 300 kB a picture
    client = socket.create_connection(("127.0.0.1", int(server.url.split(":")[2].strip("/"))), 10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    with client, get(server, "stream") as quick:
        client.sendall(b"GET /stream HTTP/1.0\r\nHost: localhost\r\n\r\n")
        for number in range(1, 41):
            server.show(noise)
            assert next_part(quick)[0] == number  # the slow one holds nobody up
        response = HTTPResponse(client)
        response.begin()
        numbers = [next_part(response)[0]]
        while numbers[-1] < 40:
            numbers.append(next_part(response)[0])
        assert numbers == sorted(numbers)
        assert len(numbers) < 20


def test_a_page_from_elsewhere_is_refused(server: MjpegServer) -> None:
    server.show(GREEN)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(server, "frame.jpg", Host="rebound.example:80")
    with get(server, "frame.jpg", Host="localhost:1234") as picture:
        assert picture.status == 200


def test_a_crowd_is_turned_away_and_room_comes_back(server: MjpegServer) -> None:
    server.show(GREEN)
    crowd = [get(server, "stream") for _ in range(MOST_CONNECTIONS)]
    with pytest.raises((ConnectionError, urllib.error.URLError)):
        get(server, "frame.jpg")
    for stream in crowd:
        stream.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        server.show(GREEN)  # it is in sending that it finds the client gone
        try:
            with get(server, "frame.jpg") as picture:
                assert picture.status == 200
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail("no room after the crowd has left")


def test_closing_hangs_up_on_who_still_watches_or_says_nothing() -> None:
    before = threading.active_count()
    server = MjpegServer(0)
    silent = socket.create_connection(("127.0.0.1", int(server.url.split(":")[2].strip("/"))))
    server.show(GREEN)
    stream = get(server, "stream")
    next_part(stream)
    start = time.monotonic()
    server.close()
    assert time.monotonic() - start < 3
    assert stream.read() == b""
    assert silent.recv(1) == b""
    stream.close()
    silent.close()
    assert threading.active_count() == before


def test_a_port_in_use_is_named(server: MjpegServer) -> None:
    port = int(server.url.split(":")[2].strip("/"))
    with pytest.raises(VideoError, match=rf"127\.0\.0\.1:{port}: can't serve there \(.*in use\); choose another port"):
        MjpegServer(port)
