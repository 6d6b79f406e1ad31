"""Whether the service lives, whether it would take a request, and figures about it."""

from collections.abc import Mapping

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from handseg.inference.segmenter import Segmenter
from handseg.service.line import RETRY, Line
from handseg.service.metrics import Metrics
from handseg.service.schemas import Ready
from handseg.version import __version__


def router(line: Line, segmenters: Mapping[str, Segmenter]) -> APIRouter:
    routes = APIRouter()
    first = next(iter(segmenters.values()))

    @routes.get("/health")
    async def health() -> dict[str, str]:
        """Whether it runs, and with what."""
        return {"status": "ok", "version": __version__, "model": first.card.name, "engine": first.engine.name}

    @routes.get("/healthz")
    async def alive() -> dict[str, str]:
        """Whether it lives; restart it where this isn't answered."""
        return {"status": "ok"}

    @routes.get("/readyz", responses={503: {"model": Ready, "description": "Not now."}})
    async def ready() -> Ready:
        """Whether it would take a request: models loaded, line not full, not being stopped."""
        why = "being stopped" if line.stopping else "no worker" if not line.pool.alive else "" if line.ready else "busy"
        state = Ready(ready=line.ready, why=why, workers=line.pool.alive, in_line=line.length)
        return state if state.ready else JSONResponse(state.model_dump(), 503, RETRY)  # type: ignore[return-value]

    return routes


def figures(line: Line, metrics: Metrics) -> APIRouter:
    routes = APIRouter()
    pool = line.pool
    metrics.watch(
        {
            "handseg_requests_in_line": ("Requests that have arrived and aren't answered.", lambda: line.length),
            "handseg_line_places": ("How many there may be.", lambda: line.most),
            "handseg_workers": ("Workers that can compute, or do.", lambda: pool.alive),
            "handseg_worker_restarts": ("Workers that were replaced since the start.", lambda: pool.restarts),
            "handseg_worker_resident_bytes": ("Memory of all workers.", lambda: pool.resident_bytes),
        }
    )

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def read() -> Response:
        """For Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return routes
