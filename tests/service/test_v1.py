"""The API /v1, and what surrounds it: health, figures, the log, pages of other sites, keys."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import handseg
from handseg.formats import decode_rle
from handseg.masks.polygons import fill
from tests.service.running import HAND, MODEL, Service
from tests.service.test_service import form, image_file, picture

pytest.importorskip("fastapi", reason="FastAPI isn't installed: handseg[serve]")

KEY = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    running = Service("--add-model", "nano-int8", "--allow-origin", "https://good.example")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def segmenter() -> handseg.Segmenter:
    return handseg.load(MODEL, threads=1)


def fields(**texts: str) -> tuple[bytes, str]:
    """A form with the hand and these fields, and its content type."""
    content, kind = form(HAND.read_bytes(), "hand.jpg")
    content = content.replace(b'name="note"\r\n\r\nhello', b'name="output"\r\n\r\njson').replace(b'"photo"', b'"image"')
    edge = content.split(b"\r\n", 1)[0]
    parts = [
        edge + f'\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in texts.items()
    ]
    return b"".join(parts) + content, kind


def in_json(*images: bytes, **settings: object) -> bytes:
    texts = [base64.b64encode(image).decode() for image in images]
    return json.dumps({"image": texts[0] if len(texts) == 1 else texts, **settings}).encode()


def test_shapes_are_those_of_the_mask(service: Service, segmenter: handseg.Segmenter) -> None:
    status, found = service.json("/v1/segment", HAND.read_bytes())
    assert status == 200
    assert (found["model"], found["policy"], found["threshold"]) == (MODEL, "hand", segmenter.threshold)
    (image,) = found["images"]
    (hand,) = image["hands"]
    mask = segmenter(HAND).mask
    assert np.array_equal(decode_rle(hand["rle"]), mask)
    filled = fill([np.array(p).reshape(-1, 2) for p in hand["polygons"]], *mask.shape)
    assert np.mean(filled != mask) < 0.005
    x, y, width, height = hand["box"]
    assert hand["area"] == np.count_nonzero(mask[y : y + height, x : x + width])


def test_the_three_ways_give_the_same(service: Service) -> None:
    body = service.json("/v1/segment?threshold=0.8&policy=hand+forearm", HAND.read_bytes())
    content, kind = fields(threshold="0.8", policy="hand+forearm")
    by_form = service.json("/v1/segment", content, Content_Type=kind)
    text = in_json(HAND.read_bytes(), threshold=0.8, policy="hand+forearm")
    by_json = service.json("/v1/segment", text, Content_Type="application/json")
    assert (body[0], body[1]["threshold"], body[1]["policy"]) == (200, 0.8, "hand+forearm")
    assert by_json == body
    by_form[1]["images"][0]["name"] = "image"
    assert by_form == body


def test_what_stands_beside_the_image_counts_more_than_the_address(service: Service) -> None:
    body = in_json(HAND.read_bytes(), threshold=0.5)
    found = service.json("/v1/segment?threshold=0.3&policy=hand", body, Content_Type="application/json")[1]
    assert (found["threshold"], found["policy"]) == (0.5, "hand")


def test_a_picture(service: Service, segmenter: handseg.Segmenter) -> None:
    status, headers, body = service.ask("/v1/segment?output=mask", HAND.read_bytes())
    assert (status, headers["content-type"]) == (200, "image/png")
    assert np.array_equal(picture(body), segmenter(HAND).mask)


def test_a_model_is_named(service: Service) -> None:
    assert [m["name"] for m in service.json("/v1/models")[1]["models"]] == ["nano", "nano-int8"]
    assert service.json("/v1/segment?model=nano-int8", HAND.read_bytes())[1]["model"] == "nano-int8"
    status, answer = service.json("/v1/segment?model=default", HAND.read_bytes())
    assert (status, answer["error"][:7]) == (422, "model: ")


def test_one_bad_image_among_several_is_named(service: Service) -> None:
    body = in_json(HAND.read_bytes(), b"no image", image_file(300, 200))
    status, found = service.json("/v1/segment", body, Content_Type="application/json")
    assert status == 200
    assert [(i["name"], i["width"], len(i["hands"])) for i in found["images"]] == [
        ("image 1", 960, 1),
        ("image 2", None, 0),
        ("image 3", 300, 0),
    ]
    assert "image 2: not an image" in found["images"][1]["error"]


def test_several_pictures_come_in_json(service: Service, segmenter: handseg.Segmenter) -> None:
    body = in_json(HAND.read_bytes(), image_file(300, 200), output="mask")
    status, found = service.json("/v1/segment", body, Content_Type="application/json")
    first, second = (picture(base64.b64decode(image["picture"])) for image in found["images"])
    assert status == 200
    assert np.array_equal(first, segmenter(HAND).mask)
    assert second.shape == (200, 300)


@pytest.mark.parametrize(
    ("query", "body", "kind", "status", "message"),
    [
        ("?treshold=1", HAND.read_bytes(), "image/jpeg", 422, "treshold: no such parameter; there are output"),
        ("?threshold=0.2&threshold=0.3", HAND.read_bytes(), "image/jpeg", 422, "threshold: given twice"),
        ("", in_json(b"x", threshold="0.5"), "application/json", 422, "threshold: "),
        ("", b'{"image": "no base64!"}', "application/json", 422, "image: not base64"),
        ("", b'{"image": []}', "application/json", 422, "image: must be the base64"),
        ("", b"[1]", "application/json", 422, "must be an object"),
        ("", b"{", "application/json", 400, "not JSON"),
        ("", in_json(*[b"x"] * 17), "application/json", 422, "more than 16 images"),
        ("", in_json(b"x", model="x"), "application/json", 422, "model: "),
        ("", b"text", "image/png", 400, "image: not an image"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(
    service: Service, query: str, body: bytes, kind: str, status: int, message: str
) -> None:
    answer = service.json(f"/v1/segment{query}", body, Content_Type=kind)
    assert answer[0] == status
    assert message in answer[1]["error"]


def test_unknown_fields_of_a_form_are_refused(service: Service) -> None:
    content, kind = fields(treshold="0.3")
    assert service.json("/v1/segment", content, Content_Type=kind)[0] == 422
    content, kind = fields(output="json")  # for the second time
    assert service.json("/v1/segment", content, Content_Type=kind) == (422, {"error": "output: given twice"})
    content, kind = form(HAND.read_bytes(), "hand.jpg")  # its file is called photo
    assert service.json("/v1/segment", content, Content_Type=kind)[0] == 422


def test_pages_of_other_sites_are_turned_away(service: Service) -> None:
    own = f"http://127.0.0.1:{service.port}"
    for headers, status in (
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": own, "Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Origin": "https://good.example", "Sec_Fetch_Site": "cross-site"}, 200),
    ):
        answer = service.ask("/v1/segment", HAND.read_bytes(), **headers)
        assert answer[0] == status, headers
        allowed = answer[1].get("access-control-allow-origin")
        assert allowed == (headers.get("Origin") if "good" in headers.get("Origin", "") else None)
    followed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert service.ask("/", method="GET", **followed)[0] == 200
    assert service.ask("/predict", HAND.read_bytes(), **followed)[0] == 403
    asked = {"Origin": "https://good.example", "Access_Control_Request_Method": "POST"}
    assert service.ask("/v1/segment", method="OPTIONS", **asked)[0] == 200


def test_health_and_figures(service: Service) -> None:
    assert service.json("/healthz") == (200, {"status": "ok"})
    assert service.json("/readyz") == (200, {"ready": True, "why": "", "workers": 1, "in_line": 0})
    service.ask("/predict", HAND.read_bytes())
    text = service.ask("/metrics", method="GET")[2].decode()
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(figures['handseg_requests_total{method="POST",route="/predict",status="200"}']) >= 1
    assert {
        f'handseg_stage_seconds_count{{stage="{stage}"}}' for stage in ("wait", "decode", "infer", "encode")
    } <= set(figures)
    assert float(figures["handseg_workers"]) == 1
    assert float(figures["handseg_worker_resident_bytes"]) > 30e6


def test_a_service_without_a_worker_is_not_ready() -> None:
    running = Service()
    os.kill(running.workers()[0], signal.SIGKILL)
    while (answer := running.json("/readyz"))[0] == 200:
        time.sleep(0.01)
    assert (answer[0], answer[1]["why"]) == (503, "no worker")
    assert running.json("/healthz")[0] == 200
    running.wait_until_ready()  # it is replaced, without a request
    assert running.ask("/predict", HAND.read_bytes())[0] == 200
    running.stop()


def test_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# of the laboratory\n{KEY}\nanother-key-0123456789\n")
    running = Service("--api-keys", str(file))
    try:
        for headers, status in (
            ({}, 401),
            ({"Authorization": f"Bearer {KEY[:-1]}"}, 401),
            ({"Authorization": f"Basic {KEY}"}, 401),
            ({"X_API_Key": "ü"}, 401),
            ({"Authorization": f"Bearer {KEY}"}, 200),
            ({"X_API_Key": "another-key-0123456789"}, 200),
        ):
            for path in ("/predict", "/v1/segment"):
                assert running.ask(path, HAND.read_bytes(), **headers)[0] == status, headers
            assert running.ask("/metrics", method="GET", **headers)[0] == status
        assert running.ask("/readyz", method="GET")[0] == 200
        assert running.ask("/predict", HAND.read_bytes())[1]["www-authenticate"] == "Bearer"
        schemes = running.json("/openapi.json")[1]["components"]["securitySchemes"]
        assert set(schemes) == {"HTTPBearer", "APIKeyHeader"}
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("text", "message"), [("", "no API key in it"), ("short\n", "has 16 characters or more"), (None, "can't be read")]
)
def test_keys_that_are_none(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "keys"
    if text is not None:
        file.write_text(text)
    command = [sys.executable, "-m", "handseg", "serve", "--port", "0", "-m", MODEL, "--api-keys", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert run.stderr.startswith("error: ")
    assert message in run.stderr


def test_the_log_tells_who_and_how_long_but_not_what() -> None:
    running = Service("--access-log", stdout=subprocess.PIPE)
    content, kind = fields(threshold="0.771234")
    _, headers, _ = running.ask("/v1/segment?policy=hand", content, Content_Type=kind, X_Request_Id="my-number")
    assert headers["x-request-id"] == "my-number"
    assert running.ask("/nothing", method="GET", X_Request_Id="bad number")[1]["x-request-id"] != "bad number"
    running.stop()
    assert running.process.stdout is not None
    with running.process.stdout as log:
        first, second = map(json.loads, log)
    assert (first["id"], first["method"], first["path"], first["status"]) == ("my-number", "POST", "/v1/segment", 200)
    assert first["bytes_received"] == len(content)
    assert first["seconds"] > 0
    assert (second["path"], second["status"]) == ("/nothing", 404)
    assert not any(word in json.dumps(first) for word in ("0.771234", "hand.jpg", "policy"))
