"""ASGI middleware that refuses bodies that are too large: where they say so before they come, else while they do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import HTTPException
from fastapi.responses import JSONResponse

from handseg.service.limits import BUSY, MEGA, Limits
from handseg.service.line import RETRY

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Uploads:
    """Bodies that are arriving are bounded one by one, and together. One that is there counts no more: the line bounds
    those."""

    def __init__(self, app: App, limits: Limits) -> None:
        self.app, self.most = app, limits.megabytes * MEGA
        self.most_together = 2 * limits.places * self.most
        self.together = 0
        self.too_large = f"more than {limits.megabytes} megabytes; send a smaller file"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"")
        if length.isdigit() and int(length[:20]) > self.most:
            await JSONResponse({"error": self.too_large}, 413)(scope, receive, send)
            return
        taken = held = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal taken, held
            message = await receive()
            size = len(message.get("body", b""))
            taken += size
            held += size
            self.together += size
            if taken > self.most:
                raise HTTPException(413, self.too_large)
            if self.together > self.most_together:
                raise HTTPException(503, BUSY, RETRY)
            if not message.get("more_body"):
                self.together, held = self.together - held, 0
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self.together -= held
