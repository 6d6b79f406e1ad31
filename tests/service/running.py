"""`handseg serve` in a process of its own, and requests to it."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HAND = Path(__file__).parents[2] / "examples" / "hand.jpg"
MODEL = "nano"


class Service:
    """A running `handseg serve`."""

    def __init__(self, *options: str, **settings: Any) -> None:
        command = [sys.executable, "-m", "handseg", "serve", "--port", "0", "-m", MODEL, "--threads", "1", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **settings)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line.startswith(f"model {MODEL} at http://127.0.0.1:"), line
        self.port = int(line.rsplit(":", 1)[1].strip("/\n"))

    def ask(
        self, path: str, body: bytes | None = None, method: str = "POST", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by their names in small letters, and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.wait()

    def wait(self) -> int:
        """Its exit status, when it has ended."""
        status = self.process.wait(20)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status

    def memory(self) -> int:
        """Kilobytes that the process holds."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    def json(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        """Status, and what the body holds. GET where there is none to send."""
        status, _, answer = self.ask(path, body, "GET" if body is None else "POST", **headers)
        return status, json.loads(answer)

    def workers(self) -> list[int]:
        """Process ids of those that compute."""
        pid = self.process.pid
        children = " ".join(p.read_text() for p in Path(f"/proc/{pid}/task").glob("*/children")).split()
        return [int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]

    def wait_until_ready(self) -> None:
        for _ in range(300):
            if self.ask("/readyz", method="GET")[0] == 200:
                return
            time.sleep(0.1)
        raise AssertionError("never ready")
