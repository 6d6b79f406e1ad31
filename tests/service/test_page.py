"""The page that `handseg serve` shows to browsers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="FastAPI isn't installed: handseg[serve]")

from handseg.service.page import POLICY, site
from tests.service.test_service import Service

ROOT = Path(__file__).parents[2]
HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.stop()


def test_a_browser_gets_the_page_and_curl_the_usage(service: Service) -> None:
    status, headers, page = service.ask("/", method="GET", accept=HTML)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<title>handseg" in page
    assert service.ask("/", method="GET", accept="*/*")[2].startswith(b"handseg ")
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.decode()):
        assert service.ask(f"/{address}", method="GET")[0] == 200, address


def test_all_files_of_the_page_are_served_and_no_others(service: Service) -> None:
    files = site()
    assert {
        "handseg/index.js",
        "engine/ort-wasm-simd-threaded.wasm.gz",
        "models/nano.onnx",
        "models/default.onnx",
    } < set(files)
    for name, path in files.items():
        status, headers, content = service.ask(f"/{name}", method="GET")
        assert (status, content) == (200, path.read_bytes())
        assert headers["cross-origin-embedder-policy"] == "require-corp"
        assert "content-encoding" not in headers
    for name in ("page.py", "../app.py", "%2e%2e/app.py", "handseg/package.json", "models/nano-int8.onnx"):
        assert service.ask(f"/{name}", method="GET")[0] == 404


def test_what_has_not_changed_is_not_sent_again(service: Service) -> None:
    _, headers, _ = service.ask("/page.js", method="GET")
    status, _, content = service.ask("/page.js", method="GET", if_none_match=headers["etag"])
    assert (status, content) == (304, b"")
    assert service.ask("/page.js", method="GET", if_none_match='"another"')[0] == 200


def test_its_policy_is_that_of_the_header(service: Service) -> None:
    _, headers, page = service.ask("/", method="GET", accept=HTML)
    assert headers["content-security-policy"] == f"{POLICY}; frame-ancestors 'self'"
    assert re.search(r'Content-Security-Policy" content="([^"]+)"', page.decode())[1] == POLICY  # type: ignore[index]
    assert "http:" not in POLICY
    assert "unsafe-inline" not in POLICY


def test_pages_elsewhere_may_not_use_its_files(service: Service) -> None:
    assert service.ask("/page.js", method="GET", host="example.com")[0] == 403


def build(source: Path, kind: str, to: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(to)]
    result = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return next(to.glob("*.whl" if kind == "wheel" else "*.tar.gz"))


def from_clone(_: Path) -> Path:
    return ROOT


def from_sdist(folder: Path) -> Path:
    with tarfile.open(build(ROOT, "sdist", folder / "sdist")) as sdist:
        sdist.extractall(folder, filter="data")
    return next(folder.glob("handseg-*"))


def from_container(folder: Path) -> Path:
    """What the Dockerfile copies before it installs, of what .dockerignore lets through."""
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY --from"):
            break
        if line.startswith("COPY"):
            *sources, to = line.split()[1:]
            assert {*sources} <= let_through
            for name in sources:
                target = folder / (to if (ROOT / name).is_dir() else name)
                target.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, target)
    return folder


@pytest.mark.parametrize("source", [from_clone, from_sdist, from_container])
def test_the_wheel_holds_it(source: Callable[[Path], Path], tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling isn't installed")
    (tmp_path / "source").mkdir()
    with zipfile.ZipFile(build(source(tmp_path / "source"), "wheel", tmp_path)) as wheel:
        names = set(wheel.namelist())
    assert {f"handseg/service/page/{name}" for name in site() if not name.startswith("models/")} <= names
    assert not [name for name in names if "node_modules" in name]
