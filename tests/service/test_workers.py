"""What an image may do to the process that computes it, and what others notice of that."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.running import HAND, Service
from tests.service.test_service import image_file

pytest.importorskip("fastapi", reason="FastAPI isn't installed: handseg[serve]")

HOSTILE = Path(__file__).parents[3] / "shared" / "cases" / "hostile"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    running = Service("--workers", "2", "--max-seconds", "3", "--max-waiting", "20")
    yield running
    running.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_an_image_that_needs_too_much_memory_is_refused() -> None:
    running = Service("--max-memory", "150")
    status, answer = running.json("/predict", image_file(5000, 4000, "JPEG"))
    assert (status, answer) == (413, {"error": "image: needs more than 150 megabytes of memory; send a smaller one"})
    assert running.ask("/predict", HAND.read_bytes())[0] == 200
    running.stop()


def test_an_image_that_takes_too_long_is_given_up_and_others_go_on(service: Service) -> None:
    service.wait_until_ready()
    slow = service.workers()[0]
    os.kill(slow, signal.SIGSTOP)
    answers = [service.json("/predict?output=json", HAND.read_bytes()) for _ in range(4)]
    late = [answer for status, answer in answers if status == 504]
    assert late == [{"error": "image: takes more than 3 s; send a smaller one"}]
    assert Counter(status for status, _ in answers) == {200: 3, 504: 1}
    assert slow not in service.workers()


def test_a_worker_that_is_killed_costs_one_request(service: Service) -> None:
    service.wait_until_ready()
    statuses: list[int] = []

    def ask() -> None:
        for _ in range(8):
            statuses.append(service.ask("/predict", HAND.read_bytes())[0])

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    time.sleep(1)
    os.kill(service.workers()[0], signal.SIGKILL)
    for client in clients:
        client.join()
    assert len(statuses) == 32
    assert statuses.count(200) >= 31
    assert set(statuses) <= {200, 500}


def test_who_has_gone_is_not_computed(service: Service) -> None:
    content = image_file(1200, 1000)
    before = computed(service)
    for _ in range(12):
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n\r\n"
            connection.sendall(head.encode() + content)
    assert service.ask("/predict", HAND.read_bytes())[0] == 200
    while service.json("/readyz")[1]["in_line"]:
        time.sleep(0.05)
    assert computed(service) - before < 13


@pytest.mark.skipif(not HOSTILE.is_dir(), reason="no ../shared/cases/hostile")
def test_hostile_files_are_answered_and_the_service_goes_on(service: Service) -> None:
    files = sorted(p for p in HOSTILE.iterdir() if p.suffix in {".png", ".jpg", ".eps", ".ico", ".tif"})
    assert files
    for file in files:
        status, _, body = service.ask("/predict?output=json", file.read_bytes())
        assert status in (200, 400, 413, 504), file.name
        json.loads(body)
    assert service.ask("/predict", HAND.read_bytes())[0] == 200


def computed(service: Service) -> float:
    text = service.ask("/metrics", method="GET")[2].decode()
    return sum(
        float(line.split()[1])
        for line in text.splitlines()
        if line.startswith('handseg_stage_seconds_count{stage="infer"}')
    )
