"""The page in a real browser without a screen, for tests and measurements: Chromium opens an address, and what a script
there posts to /result comes back."""

from __future__ import annotations

import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
]


class Site:
    """A folder served on this computer."""

    def __init__(self, folder: Path, port: int, results: queue.Queue[bytes]) -> None:
        self.folder, self.port, self._results = folder, port, results

    def browse(self, address: str, flags: Sequence[str] = (), timeout: float = 120) -> bytes:
        """What the script at `address`, a path below the folder, posts. Raises queue.Empty when nothing comes."""
        assert BROWSER is not None
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            command = [BROWSER, *FLAGS, *flags, f"--user-data-dir={profile}", f"http://127.0.0.1:{self.port}/{address}"]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
                try:
                    return self._results.get(timeout=timeout)
                finally:
                    browser.kill()


@contextmanager
def served(folder: Path, headers: Mapping[str, str] | None = None) -> Iterator[Site]:
    """headers: sent with every answer. Once a script has posted to /gone, no file is sent any more."""
    results: queue.Queue[bytes] = queue.Queue()
    gone = threading.Event()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if gone.is_set():
                self.close_connection = True  # no answer, as where there is no network
            else:
                super().do_GET()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/gone":
                gone.set()
            else:
                results.put(body)
            self.send_response(204)
            self.end_headers()

        def end_headers(self) -> None:
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Site(folder, server.server_address[1], results)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
