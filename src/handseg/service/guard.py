"""Who may ask: this computer's programs, pages of the service itself, and pages that are allowed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse

from handseg.service.uploads import App, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")  # as an option and as a Host header write them
PORT = re.compile(r":\d*$")


class Guard:
    """ASGI middleware that refuses requests for another host, where only this computer is served, and those that a
    browser sends on behalf of another site's page.

    Browsers say so themselves, in Origin or Sec-Fetch-Site; other programs send neither. allowed: origins whose pages
    may, as `https://example.org`; "*" for all.
    """

    def __init__(self, app: App, local: bool, allowed: Collection[str] = ()) -> None:
        self.app, self.local, self.allowed = app, local, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refusal := self._refusal(scope["method"], _headers(scope))):
            await JSONResponse({"error": refusal}, 403)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refusal(self, method: str, headers: Mapping[str, str]) -> str:
        host = headers.get("host", "").lower()
        if self.local and PORT.sub("", host) not in LOOPBACK:
            return "only requests that name this computer are answered"
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if "*" in self.allowed or origin in self.allowed:
            return ""
        if origin is None:
            followed_link = method in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
            foreign = site not in ("none", "same-origin") and not followed_link
        else:  # the scheme may differ: a proxy in front may have ended the encryption
            foreign = urlsplit(origin).netloc.lower() != host
        return "pages of another site may not use this service; --allow-origin lets them" if foreign else ""


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
