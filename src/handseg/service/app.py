"""The service's application: images in, masks, pictures and descriptions out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from handseg.errors import HandsegError, MissingExtraError
from handseg.inference.segmenter import Segmenter
from handseg.service.limits import DEFAULT, Limits
from handseg.service.page import Page
from handseg.version import __version__

try:
    from fastapi import Depends, FastAPI, Request
    from fastapi.middleware.cors import CORSMiddleware
    from fastapi.responses import PlainTextResponse

    from handseg.service import health, predict, v1
    from handseg.service.errors import described, handle_errors
    from handseg.service.guard import Guard
    from handseg.service.keys import Keys
    from handseg.service.line import Line
    from handseg.service.metrics import Metrics
    from handseg.service.pool import Pool
    from handseg.service.uploads import Uploads
    from handseg.service.watch import Watch
except ImportError as error:
    raise MissingExtraError("Serving", "serve") from error

USAGE = """handseg {version}, model {models}

curl --data-binary @photo.jpg {url}predict -o mask.png
curl -F image=@photo.jpg {url}v1/segment

output: mask (PNG, 0 or 255), overlay, cutout, matte, heatmap (PNG) or json; threshold: 0 to 1; policy: {policies}
GET {url}healthz tells whether it lives, {url}readyz whether it would take a request;
{url}openapi.json describes it to programs.
"""


def create_app(
    segmenter: Segmenter,
    limits: Limits = DEFAULT,
    *,
    others: Collection[Segmenter] = (),
    local: bool = False,
    allow_origins: Collection[str] = (),
    keys: Collection[str] = (),
    access_log: bool = False,
) -> FastAPI:
    """An ASGI application, whose workers start and end with its lifespan; `state.line` is its line.

    Workers are started anew by Python: call this below `if __name__ == "__main__"`, or in a module that a server
    imports. segmenter: its policy and threshold answer requests that name none. others: models that requests may name.
    local: answer only requests that name this computer, so that no page from elsewhere can reach a service that is
    meant for it alone. allow_origins: sites whose pages may ask; "*" for all. keys: a request needs one of them, where
    there are any. access_log: write a line of JSON a request to the standard output.
    Errors are JSON, {"error": what is wrong and what to do}; `errors.MEANINGS` lists them.
    Raises HandsegError for two models of one name.
    """
    segmenters = {each.card.name: each for each in (segmenter, *others)}
    if len(segmenters) < 1 + len(others):
        raise HandsegError("two of the models have the same name; serve each once")
    metrics = Metrics()
    pool = Pool(segmenters, limits)
    line = Line(pool, limits, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield

    app = FastAPI(title="handseg", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.line = line
    app.add_middleware(Page)  # the last one added sees a request first
    app.add_middleware(Uploads, limits=limits)
    if allow_origins:
        app.add_middleware(CORSMiddleware, allow_origins=allow_origins, allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(Guard, local=local, allowed=allow_origins)
    app.add_middleware(Watch, metrics=metrics, log=access_log)
    handle_errors(app)

    @app.get("/", response_class=PlainTextResponse)
    async def usage(request: Request) -> str:
        """How to use it."""
        return USAGE.format(
            version=__version__,
            models=", ".join(segmenters),
            url=request.base_url,
            policies=", ".join(segmenter.card.policies),
        )

    locked: dict[str, Any] = {"dependencies": [Depends(Keys(keys))], "responses": described(401)} if keys else {}
    working = {**locked.get("responses", {}), **described(400, 403, 408, 413, 422, 500, 503, 504)}
    behind = locked.get("dependencies")
    app.include_router(health.router(line, segmenters), responses=described(403))
    app.include_router(
        health.figures(line, metrics), dependencies=behind, responses={**locked.get("responses", {}), **described(403)}
    )
    app.include_router(predict.router(line, limits, segmenter.card.name), dependencies=behind, responses=working)
    app.include_router(v1.router(line, limits, segmenters), dependencies=behind, responses=working)
    return app
