"""Errors as clients get them: JSON, {"error": what is wrong and what to do}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException as StarletteError
from starlette.requests import ClientDisconnect

from handseg.service.schemas import Error, Parameters

MEANINGS = {
    400: "Not an image that can be read, or none.",
    401: "An API key is needed.",
    403: "Another host, or a page of another site.",
    404: "There is nothing there.",
    405: "Not with this method.",
    408: "The body didn't arrive in time.",
    413: "The body is too large, or its image needs too much memory.",
    422: "A wrong or unknown parameter.",
    500: "An error of the service's own; other requests go on.",
    503: "Too many requests wait, or the service is being stopped; Retry-After says when to try again.",
    504: "The image took too long to compute.",
}


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`."""
    return {status: {"model": Error, "description": MEANINGS[status]} for status in statuses}


def handle_errors(app: FastAPI) -> None:
    @app.exception_handler(StarletteError)
    async def refuse(_: Request, error: StarletteError) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def correct(_: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": worded(error.errors()[0])}, 422)

    @app.exception_handler(ClientDisconnect)
    async def forget(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it; without it the log has a traceback


def worded(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors."""
    name = next((part for part in error["loc"] if part != "query"), "parameters")
    if error["type"] == "extra_forbidden":
        return f"{name}: no such parameter; there are {', '.join(Parameters.model_fields)}"
    return f"{name}: {error['msg']}"
