"""The service as its users meet it: `handseg serve` in a process of its own, and requests over HTTP."""

from __future__ import annotations

import io
import json
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import handseg
from tests.service.running import HAND, MODEL, Service

pytest.importorskip("fastapi", reason="FastAPI isn't installed: handseg[serve]")

WAITING = 1


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    running = Service("--max-megabytes", "1", "--max-megapixels", "2", "--max-waiting", str(WAITING))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def segmenter() -> handseg.Segmenter:
    return handseg.load(MODEL, threads=1)


def form(content: bytes, name: str) -> tuple[bytes, str]:
    """A form with a field of text and one file, and its content type."""
    edge = uuid.uuid4().hex
    head = (
        f'--{edge}\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
        f'--{edge}\r\nContent-Disposition: form-data; name="photo"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


def picture(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)))


def image_file(width: int, height: int, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 90)).save(file, kind)
    return file.getvalue()


def test_the_mask_is_the_one_that_python_gives(service: Service, segmenter: handseg.Segmenter) -> None:
    expected = segmenter(HAND).mask
    assert expected.any()
    status, headers, body = service.ask("/predict", HAND.read_bytes())
    assert (status, headers["content-type"]) == (200, "image/png")
    assert np.array_equal(picture(body), expected)
    content, kind = form(HAND.read_bytes(), "hand.jpg")
    assert service.ask("/predict?output=mask", content, Content_Type=kind)[::2] == (200, body)


@pytest.mark.parametrize(("output", "channels"), [("overlay", 3), ("cutout", 4), ("matte", 1), ("heatmap", 3)])
def test_pictures_are_as_large_as_the_image(service: Service, output: str, channels: int) -> None:
    status, _, body = service.ask(f"/predict?output={output}", HAND.read_bytes())
    shape = picture(body).shape
    assert (status, *shape[:2]) == (200, 640, 960)
    assert (*shape, 1)[2] == channels


def test_json_is_what_predict_writes(service: Service, segmenter: handseg.Segmenter) -> None:
    content, kind = form(HAND.read_bytes(), "my hand.jpg")
    status, headers, body = service.ask("/predict?output=json", content, Content_Type=kind.replace("form", "Form"))
    assert (status, headers["content-type"]) == (200, "application/json")
    expected = segmenter.describe(segmenter(HAND), "my hand.jpg")
    assert expected["hands"]
    assert json.loads(body) == json.loads(json.dumps(expected))


def test_a_request_may_name_its_threshold_and_policy(service: Service) -> None:
    areas = [
        int((picture(service.ask(f"/predict?{query}", HAND.read_bytes())[2]) > 0).sum())
        for query in ("threshold=0.95", "", "policy=hand%2Bforearm&threshold=0.2")
    ]
    assert areas == sorted(set(areas))
    # A + in an address is a space.
    plain = service.ask("/predict?policy=hand+forearm&threshold=0.2", HAND.read_bytes())
    assert (plain[0], int((picture(plain[2]) > 0).sum())) == (200, areas[-1])


def test_what_a_form_asks_for_beside_the_image_is_not_passed_over(service: Service) -> None:
    content, kind = form(HAND.read_bytes(), "hand.jpg")
    boundary = content.split(b"\r\n", 1)[0]
    field = boundary + b'\r\nContent-Disposition: form-data; name="threshold"\r\n\r\n0.3\r\n'
    status, _, body = service.ask("/predict", field + content, Content_Type=kind)
    assert status == 422
    assert "threshold: belongs to the address" in json.loads(body)["error"]


@pytest.mark.parametrize(
    ("query", "body", "status", "message"),
    [
        ("", b"", 400, "no image: send the file"),
        ("", b"some text", 400, "image: not an image that can be read; save or copy it anew"),
        ("", HAND.read_bytes()[:5000], 400, "image: damaged image"),
        ("", image_file(2000, 1001), 400, "image: 2000×1001 is more than 2 megapixels; shrink it first"),
        ("", image_file(100, 10_000), 400, "longer than 64:1"),
        ("", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 400, "image: not an image that can be read"),
        ("", image_file(64, 48, "ICO"), 400, "image: not an image that can be read"),
        ("", bytes(1_000_001), 413, "more than 1 megabytes; send a smaller file"),
        ("?output=gif", HAND.read_bytes(), 422, "output: "),
        ("?threshold=1", HAND.read_bytes(), 422, "threshold: "),
        ("?policy=arm", HAND.read_bytes(), 422, "policy: "),
        ("?treshold=0.3", HAND.read_bytes(), 422, "treshold: no such parameter; there are output, threshold, policy"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(
    service: Service, query: str, body: bytes, status: int, message: str
) -> None:
    answer = service.ask(f"/predict{query}", body)
    assert answer[0] == status
    assert message in json.loads(answer[2])["error"]
    assert service.ask("/health", method="GET")[0] == 200


def test_a_form_is_limited_as_well(service: Service) -> None:
    content, kind = form(bytes(1_100_000), "big.jpg")
    assert service.ask("/predict", content, Content_Type=kind)[0] == 413
    content, kind = form(b"", "none.jpg")
    assert service.ask("/predict", content, Content_Type=kind)[0] == 400
    assert service.ask("/predict", b"--x\r\nno form", Content_Type="multipart/form-data; boundary=x")[0] == 400


def test_pages_from_elsewhere_are_turned_away(service: Service) -> None:
    for host, status in (
        *(
            ("attacker.example", 403),
            ("", 403),
            ("127.0.0.1.attacker.example:80", 403),
            (f"attacker:{service.port}", 403),
        ),
        *((f"localhost:{service.port}", 200), ("LOCALHOST", 200), ("[::1]", 200), ("[::1]:80", 200)),
    ):
        assert service.ask("/health", method="GET", Host=host)[0] == status


def test_it_says_how_to_use_it(service: Service) -> None:
    usage = service.ask("/", method="GET")[2].decode()
    assert f"http://127.0.0.1:{service.port}/predict" in usage
    assert json.loads(service.ask("/health", method="GET")[2]) == {
        "status": "ok",
        "version": handseg.__version__,
        "model": MODEL,
        "engine": "onnxruntime",
    }
    described = json.loads(service.ask("/openapi.json", method="GET")[2])
    assert "multipart/form-data" in described["paths"]["/predict"]["post"]["requestBody"]["content"]


def test_who_finds_a_full_line_is_told_to_come_back(service: Service) -> None:
    answers: list[tuple[int, dict[str, str], bytes]] = []
    content = image_file(1600, 1200)
    threads = [
        threading.Thread(target=lambda: answers.append(service.ask("/predict?output=overlay", content)))
        for _ in range(5 + WAITING)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    served = [status for status, _, _ in answers].count(200)
    refused = [headers for status, headers, _ in answers if status == 503]
    assert served >= 1 + WAITING
    assert served + len(refused) == len(answers)
    assert {headers["retry-after"] for headers in refused} == {"1"}
    assert service.ask("/predict", HAND.read_bytes())[0] == 200


def begin(port: int, size: int, sent: int) -> socket.socket:
    """An upload of so many bytes that has got so far."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n"
    connection.sendall(head.encode() + bytes(sent))
    return connection


def test_slow_uploads_hold_up_nobody(service: Service) -> None:
    with ExitStack() as held:
        for _ in range(40):
            held.enter_context(begin(service.port, 1000, 4))
        start = time.monotonic()
        assert service.ask("/predict", HAND.read_bytes())[0] == 200
        assert time.monotonic() - start < 20


def test_uploads_are_limited_together(service: Service) -> None:
    with ExitStack() as held:
        # Twice what the line may hold is 4 MB.
        slow = [held.enter_context(begin(service.port, 950_000, 940_000)) for _ in range(5)]
        (refused, *_), _, _ = select.select(slow, [], [], 20)
        answer = refused.recv(1000)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in answer.lower()
    answered_with(service, 200)


def test_a_length_is_looked_at_before_the_upload(service: Service) -> None:
    with begin(service.port, 5_000_000, 0) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_goes_away_leaves_no_trace() -> None:
    running = Service()
    connection = socket.create_connection(("127.0.0.1", running.port))
    connection.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: 1000\r\n\r\nsome")
    time.sleep(0.3)
    connection.close()
    time.sleep(0.3)
    assert running.ask("/health", method="GET")[0] == 200
    running.process.send_signal(signal.SIGINT)
    assert running.process.communicate(timeout=20)[1] == ""


@contextmanager
def serving(segmenter: handseg.Segmenter) -> Iterator[int]:
    """The application as `handseg serve` runs it, in this process; its port."""
    import uvicorn

    from handseg.service.app import create_app
    from handseg.service.protocol import Patience

    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(segmenter), http=Patience, log_level="warning", timeout_keep_alive=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def test_an_upload_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch, segmenter: handseg.Segmenter) -> None:
    from handseg.service import line

    monkeypatch.setattr(line, "UPLOAD_SECONDS", 0.3)
    with serving(segmenter) as port, begin(port, 1000, 4) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "start",
    [b"", b"GET /health HTTP/1.1\r\nHost: a\r\nX-a: ", b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /health HT"],
)
def test_headers_that_never_end_are_given_up(
    monkeypatch: pytest.MonkeyPatch, segmenter: handseg.Segmenter, start: bytes
) -> None:
    from handseg.service import protocol

    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.3)
    with serving(segmenter) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(start)
        answer = b""
        while part := connection.recv(1000):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 ") == (start.count(b"\r\n\r\n") > 0)


def test_too_many_connections_are_turned_away(monkeypatch: pytest.MonkeyPatch, segmenter: handseg.Segmenter) -> None:
    from handseg.service import protocol

    monkeypatch.setattr(protocol, "MOST_CONNECTIONS", 3)
    with serving(segmenter) as port, ExitStack() as held:
        many = [held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(4)]
        assert many[3].recv(1) == b""
        many[0].sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        assert many[0].recv(100).startswith(b"HTTP/1.1 200 ")


def answered_with(service: Service, status: int) -> dict[str, str]:
    """Ask until the answer is `status`; its headers."""
    for _ in range(100):
        found, headers, _ = service.ask("/predict", HAND.read_bytes())
        if found == status:
            return headers
        time.sleep(0.1)
    pytest.fail(f"never {status}")


def test_requests_at_the_same_time_get_their_own_masks() -> None:
    images = [HAND.read_bytes(), image_file(300, 200), image_file(200, 320, "JPEG")]
    running = Service("--max-waiting", "8")
    try:
        alone = [running.ask("/predict", image)[2] for image in images]
        together: dict[int, bytes] = {}
        threads = [
            threading.Thread(target=lambda i=i: together.update({i: running.ask("/predict", images[i % 3])[2]}))
            for i in range(9)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert together == {i: alone[i % 3] for i in range(9)}
    finally:
        running.stop()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux' /proc")
def test_memory_does_not_grow(service: Service) -> None:
    rng = np.random.default_rng(0)
    sizes = [(int(w), int(h)) for w, h in rng.integers(200, 1200, (30, 2))]

    def work() -> int:
        for width, height in sizes:
            assert service.ask("/predict?output=overlay", image_file(width, height))[0] == 200
            assert service.ask("/predict", b"no image")[0] == 400
        return service.memory()

    work()
    settled = work()
    assert work() - settled < 20_000  # a leak of one picture a request would be 40 MB and more


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_it_stops_when_told_and_answers_what_it_has_taken(how: signal.Signals, status: int) -> None:
    running = Service()
    answers: list[int] = []
    content = image_file(1200, 1000)
    clients = [
        threading.Thread(target=lambda: answers.append(running.ask("/predict?output=overlay", content)[0]))
        for _ in range(6)
    ]
    arriving = begin(running.port, 1000, 4)
    for client in clients:
        client.start()
    while running.json("/readyz")[1]["in_line"] < len(clients):
        assert len(answers) == 0
    running.process.send_signal(how)
    time.sleep(0.1)
    late, headers, body = running.ask("/predict", HAND.read_bytes())
    assert (late, headers["retry-after"]) == (503, "1")
    assert "being stopped" in json.loads(body)["error"]
    assert b"HTTP/1.1 503 " in arriving.recv(1000)
    arriving.close()
    for client in clients:
        client.join()
    assert answers == [200] * len(clients)
    assert running.wait() == status


def test_a_port_that_is_taken(service: Service) -> None:
    command = [sys.executable, "-m", "handseg", "serve", "-m", MODEL, "--port", str(service.port)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith(f"error: 127.0.0.1:{service.port}: can't serve there (Address already in use); choose")
    assert run.stderr.count("\n") == 1


def test_without_the_extra(tmp_path: Path) -> None:
    code = (
        "import sys\nfor name in ('fastapi', 'uvicorn'): sys.modules[name] = None\n"
        "from handseg.cli import main\nmain(['serve', '--port', '0'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (1, "error: Serving needs more packages: pip install 'handseg[serve]'\n")
