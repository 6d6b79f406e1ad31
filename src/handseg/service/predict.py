"""POST /predict: the simplest way, one photo in, one picture or description out."""

# Without `from __future__ import annotations`: FastAPI reads those of routes that are made in a function.
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BeforeValidator

from handseg.masks.labels import LabelPolicy
from handseg.service.inputs import receive
from handseg.service.limits import MEGA, Limits
from handseg.service.line import Line
from handseg.service.schemas import with_plus
from handseg.service.work import Output, Task

PARAMETERS = ("output", "threshold", "policy")
BINARY = {"schema": {"type": "string", "format": "binary"}}
BODY = {
    "requestBody": {
        "required": True,
        "description": "The image file: as the body itself, or as the one file of a form.",
        "content": {
            "image/*": BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"image/png": BINARY, "application/json": {"schema": {"type": "object"}}},
        "description": "A PNG, or for json its text.",
    }
}


def router(line: Line, limits: Limits, model: str) -> APIRouter:
    """model: the one that computes."""
    routes = APIRouter()

    @routes.post("/predict", response_class=Response, responses=ANSWER, openapi_extra=BODY)
    async def predict(
        request: Request,
        output: Output = "mask",
        threshold: Annotated[float | None, Query(gt=0, lt=1)] = None,
        policy: Annotated[LabelPolicy | None, BeforeValidator(with_plus)] = None,
    ) -> Response:
        """The hands in one image."""
        _check_parameters(request.query_params.keys())
        received = await receive(request, line)
        for key in received.fields:
            if key in PARAMETERS:
                raise HTTPException(422, f"{key}: belongs to the address, as in /predict?{key}=…, not to the form")
        ((content, name),) = received.images
        async with line.place():
            task = Task(content, name, model, output, limits.megapixels * MEGA, threshold, policy)
            answer = await line.compute(request, task)
        return as_response(answer.content)

    return routes


def as_response(content: bytes | dict[str, Any]) -> Response:
    return Response(content, media_type="image/png") if isinstance(content, bytes) else JSONResponse(content)


def _check_parameters(names: Iterable[str]) -> None:
    """Refuse what isn't known: else a mistyped threshold would go unnoticed."""
    if unknown := [name for name in names if name not in PARAMETERS]:
        raise HTTPException(422, f"{unknown[0]}: no such parameter; there are {', '.join(PARAMETERS)}")
