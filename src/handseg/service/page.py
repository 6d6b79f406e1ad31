"""The web page that the service shows to browsers: files as they lie in the package, or in web/ of a clone."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from handseg.inference.engines import find_model

MODELS = "nano", "default"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".gz": "application/gzip",  # unpacked by the page: no Content-Encoding
    ".onnx": "application/octet-stream",
}
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",  # with the next one the engine may use threads
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # ask whether it changed
}
Messages = Callable[[], Awaitable[MutableMapping[str, Any]]]


def site() -> dict[str, Path]:
    """The page's files by their address below it, such as `handseg/index.js`; `index.html` is the page itself."""
    packaged = Path(__file__).parent / "page"
    web = Path(__file__).parents[3] / "web"
    folders = {"": web / "page", "handseg/": web / "handseg", "engine/": web / "engine"}
    if packaged.is_dir():
        folders = {"": packaged}
    files = {
        prefix + path.relative_to(folder).as_posix(): path
        for prefix, folder in folders.items()
        for path in sorted(folder.rglob("*"))
        if path.suffix in TYPES and path.is_file() and "node_modules" not in path.parts
    }
    return files | {f"models/{name}.onnx": find_model(name) for name in MODELS}


@lru_cache
def _tag(path: Path, _changed: int) -> str:
    """Of a file's content, computed anew where the file has changed."""
    return f'"{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}"'


class Page:
    """ASGI middleware that answers requests for the page's files; all others go on to `app`.

    A browser that asks for `/` gets the page; whoever doesn't ask for HTML, such as curl, goes on as well.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.files = site()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Messages, send: Any) -> None:
        path = self._wanted(scope)
        if path is None:
            await self.app(scope, receive, send)
            return
        from starlette.responses import Response

        tag = _tag(path, path.stat().st_mtime_ns)
        headers = {**HEADERS, "ETag": tag}
        if tag.encode() in dict(scope["headers"]).get(b"if-none-match", b""):
            await Response(status_code=304, headers=headers)(scope, receive, send)
            return
        kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
        await Response(path.read_bytes(), headers=headers, media_type=kind)(scope, receive, send)

    def _wanted(self, scope: MutableMapping[str, Any]) -> Path | None:
        """The file that a request asks for, if it is one of the page's."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return None
        name = scope["path"].removeprefix("/")
        if name:
            return self.files.get(name)
        return self.files.get("index.html") if b"text/html" in dict(scope["headers"]).get(b"accept", b"") else None
