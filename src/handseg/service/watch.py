"""ASGI middleware around all others: a number for each request, figures about it, and a line in the log."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import MutableMapping
from datetime import datetime, timezone
from typing import Any

from handseg.service.metrics import Metrics
from handseg.service.uploads import App, Receive, Scope, Send

GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Watch:
    """log: write a line of JSON to the standard output for each request: never what was sent or answered."""

    def __init__(self, app: App, metrics: Metrics, log: bool) -> None:
        self.app, self.metrics, self.log = app, metrics, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"")
        number = given if GIVEN.fullmatch(given) else uuid.uuid4().hex.encode()
        start = time.perf_counter()
        status, received, sent = 499, 0, 0  # 499: the client was gone before the answer, as nginx has it

        async def counted() -> MutableMapping[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def numbered(message: MutableMapping[str, Any]) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", number)]
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, counted, numbered)
        finally:
            seconds = time.perf_counter() - start
            route = getattr(scope.get("route"), "path", "other")  # not the path: it may be any
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.metrics.request(method, route, status, seconds)
            if self.log:
                line = {
                    "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
                    "id": number.decode(),
                    "client": (scope.get("client") or ("",))[0],
                    "method": method,
                    "path": scope["path"][:200],
                    "status": status,
                    "seconds": round(seconds, 4),
                    "bytes_received": received,
                    "bytes_sent": sent,
                }
                print(json.dumps(line), flush=True)
