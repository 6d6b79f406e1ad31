"""The service's application: POST a photo to /predict, get its mask, a picture or a description."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from functools import partial
from pathlib import PureWindowsPath
from typing import Annotated, Any, Literal

import numpy as np

from handseg import draw
from handseg.errors import HandsegError, MissingExtraError
from handseg.image import decode_image, encode_png
from handseg.inference.segmenter import Segmenter
from handseg.masks.labels import LabelPolicy
from handseg.service.page import Page
from handseg.version import __version__

try:
    import anyio
    import anyio.to_thread
    from fastapi import FastAPI, HTTPException, Query, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse, PlainTextResponse, Response
    from pydantic import BeforeValidator
    from starlette.datastructures import UploadFile
    from starlette.exceptions import HTTPException as StarletteError
    from starlette.requests import ClientDisconnect
except ImportError as error:
    raise MissingExtraError("Serving", "serve") from error

PARAMETERS = ("output", "threshold", "policy")
Output = Literal["mask", "overlay", "cutout", "matte", "heatmap", "json"]
Messages = Callable[[], Awaitable[MutableMapping[str, Any]]]

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")  # as an option and as a Host header write them
PORT = re.compile(r":\d*$")
UPLOAD_SECONDS = 30.0  # after which a request that hasn't arrived whole is given up
MEGA = 1_000_000
BUSY = "too many requests are waiting; try again later"
USAGE = """handseg {version}, model {model}

curl --data-binary @photo.jpg {url}predict -o mask.png
curl -F file=@photo.jpg "{url}predict?output=json"

output: mask (PNG, 0 or 255), overlay, cutout, matte, heatmap (PNG) or json; threshold: 0 to 1; policy: {policies}
GET {url}health tells whether it runs; {url}openapi.json describes it to programs.
"""
BODY = {
    "requestBody": {
        "required": True,
        "description": "The image file: as the body itself, or as the one file of a form.",
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
            },
        },
    }
}
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}, "application/json": {}}, "description": "A PNG, or for json its text."}
}


@dataclass(frozen=True)
class Limits:
    """What a request may ask for. megabytes: of the upload. megapixels: of the image in it. waiting: how many requests
    that have arrived may wait for the one that is computed. More are refused, as are uploads that together hold twice
    what these may, so that memory stays bounded."""

    megabytes: int = 20
    megapixels: int = 50
    waiting: int = 8


def create_app(segmenter: Segmenter, limits: Limits = Limits(), *, local: bool = False) -> FastAPI:
    """An ASGI application.

    segmenter: its policy and threshold answer requests that name none. local: answer only requests that name this
    computer, so that no page from elsewhere can reach a service that is meant for it alone.
    Errors are JSON, {"error": what is wrong and what to do}: 400 for an image that can't be read, 403 for another host,
    408 for an upload that takes too long, 413 for one that is too large, 422 for a wrong parameter, 503 when too many
    wait.
    """
    app = FastAPI(title="handseg", version=__version__, docs_url=None, redoc_url=None)
    app.add_middleware(Page)
    app.add_middleware(
        Guard,
        most_bytes=limits.megabytes * MEGA,
        most_together=2 * (1 + limits.waiting) * limits.megabytes * MEGA,
        local=local,
    )
    line = Line(limits.waiting)

    @app.exception_handler(StarletteError)
    async def refuse(_: Request, error: StarletteError) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def correct(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return JSONResponse({"error": f"{first['loc'][-1]}: {first['msg']}"}, 422)

    @app.exception_handler(ClientDisconnect)
    async def forget(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it; without it the log has a traceback

    @app.get("/", response_class=PlainTextResponse)
    async def usage(request: Request) -> str:
        """How to use it."""
        return USAGE.format(
            version=__version__,
            model=segmenter.card.name,
            url=request.base_url,
            policies=", ".join(segmenter.card.policies),
        )

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether it runs, and with what."""
        return {
            "status": "ok",
            "version": __version__,
            "model": segmenter.card.name,
            "engine": segmenter.engine.name,
        }

    @app.post("/predict", response_class=Response, responses=ANSWER, openapi_extra=BODY)
    async def predict(
        request: Request,
        output: Output = "mask",
        threshold: Annotated[float | None, Query(gt=0, lt=1)] = None,
        policy: Annotated[LabelPolicy | None, BeforeValidator(_with_plus)] = None,
    ) -> Response:
        """The hands in one image."""
        _check_parameters(request.query_params.keys())
        content, name = await _received(request)  # before the line: whoever sends slowly holds up nobody
        async with line, line.computing:
            if await request.is_disconnected():
                raise ClientDisconnect
            try:
                asked = segmenter.changed(policy=policy, threshold=threshold)
                answer = partial(_answer, asked, content, name, output, limits.megapixels * MEGA)
                return await anyio.to_thread.run_sync(answer)
            except HandsegError as error:
                raise HTTPException(400, str(error)) from error

    return app


class Line:
    """Requests that wait while one is computed; entering it raises 503 where too many do."""

    def __init__(self, waiting: int) -> None:
        self.most = 1 + waiting
        self.length = 0
        self.computing = anyio.CapacityLimiter(1)

    async def __aenter__(self) -> None:
        if self.length >= self.most:
            raise HTTPException(503, BUSY, {"Retry-After": "1"})
        self.length += 1

    async def __aexit__(self, *_: object) -> None:
        self.length -= 1


class Guard:
    """ASGI middleware that refuses uploads that are too large, at once where they say so, else while they come; uploads
    that are too large together; and hosts that aren't this computer."""

    def __init__(self, app: Any, most_bytes: int, most_together: int, local: bool) -> None:
        self.app, self.most_bytes, self.most_together, self.local = app, most_bytes, most_together, local
        self.together = 0  # bytes of the requests that aren't answered yet

    async def __call__(self, scope: MutableMapping[str, Any], receive: Messages, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if self.local and PORT.sub("", headers.get(b"host", b"").decode("latin-1").lower()) not in LOOPBACK:
            await _refusal(403, "only requests that name this computer are answered")(scope, receive, send)
            return
        too_large = f"more than {self.most_bytes // MEGA} megabytes; send a smaller file"
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length[:20]) > self.most_bytes:
            await _refusal(413, too_large)(scope, receive, send)
            return
        taken = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal taken
            message = await receive()
            size = len(message.get("body", b""))
            taken += size
            self.together += size
            if taken > self.most_bytes:
                raise HTTPException(413, too_large)
            if self.together > self.most_together:
                raise HTTPException(503, BUSY, {"Retry-After": "1"})
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self.together -= taken


def _with_plus(policy: object) -> object:
    """`hand+forearm`, whose + means a space in an address."""
    return policy.replace(" ", "+") if isinstance(policy, str) else policy


def _check_parameters(names: Iterable[str]) -> None:
    """Refuse what isn't known: else a mistyped threshold would go unnoticed."""
    if unknown := [name for name in names if name not in PARAMETERS]:
        raise HTTPException(422, f"{unknown[0]}: no such parameter; there are {', '.join(PARAMETERS)}")


def _refusal(status: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error}, status)


async def _received(request: Request) -> tuple[bytes, str]:
    """The image file that a request brings, and what to call it."""
    name, content = "image", b""
    with anyio.move_on_after(UPLOAD_SECONDS) as patience:
        if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            async with request.form(max_files=1, max_fields=16) as form:
                for key, part in form.multi_items():
                    if key in PARAMETERS:
                        raise HTTPException(
                            422, f"{key}: belongs to the address, as in /predict?{key}=…, not to the form"
                        )
                    if isinstance(part, UploadFile):
                        name = PureWindowsPath(part.filename or "").name[:100] or name  # without folders of any system
                        content = await part.read()
        else:
            content = await request.body()
    if patience.cancelled_caught:
        raise HTTPException(408, f"the image didn't arrive within {UPLOAD_SECONDS:.0f} seconds; send a smaller file")
    if not content:
        raise HTTPException(400, "no image: send the file as the request's body, or as the file of a form")
    return content, name


def _answer(segmenter: Segmenter, content: bytes, name: str, output: Output, max_pixels: int) -> Response:
    image = decode_image(content, name, max_pixels=max_pixels)
    result = segmenter(image)
    if output == "json":
        return JSONResponse(segmenter.describe(result, name))
    picture: np.ndarray
    if output == "mask":
        picture = result.mask
    elif output == "matte":
        picture = result.matte
    elif output == "cutout":
        picture = draw.cutout(image, draw.soft_alpha(result.probability, result.mask, result.threshold))
    elif output == "heatmap":
        picture = draw.heatmap(image, result.probability)
    else:
        picture = draw.overlay(image, result.mask)
    return Response(encode_png(picture), media_type="image/png")
