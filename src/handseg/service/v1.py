"""The API /v1: one image or several, in three ways, by any of the models that are loaded."""

# Without `from __future__ import annotations`: FastAPI reads those of routes that are made in a function.
import base64
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from handseg.inference.segmenter import Segmenter
from handseg.masks.result import default_min_confidence
from handseg.service.errors import worded
from handseg.service.inputs import MOST_IMAGES, receive
from handseg.service.limits import MEGA, Limits
from handseg.service.line import Line
from handseg.service.predict import BINARY, as_response
from handseg.service.schemas import Found, ModelFound, Models, Parameters, parameters_for
from handseg.service.work import Task

FILES = ("image", "file")  # fields of a form
SETTINGS = ("model", "policy", "threshold", "min_area", "min_confidence")


def router(line: Line, limits: Limits, segmenters: Mapping[str, Segmenter]) -> APIRouter:
    """segmenters: by name; the first is used where a request names none."""
    routes = APIRouter(prefix="/v1")
    names = tuple(segmenters)
    asked = parameters_for(names)

    @routes.get("/models")
    async def models() -> Models:
        """The models that are loaded."""
        loaded = [
            ModelFound(name=name, policies=list(s.card.policies), threshold=s.threshold, engine=s.engine.name)
            for name, s in segmenters.items()
        ]
        return Models(default=names[0], models=loaded)

    @routes.post(
        "/segment",
        response_model=Found,
        responses={200: {"content": {"image/png": BINARY}, "description": "JSON, or for pictures a PNG."}},
        openapi_extra=_body(asked),
    )
    async def segment(request: Request, query: Annotated[asked, Query()]) -> Response:  # type: ignore[valid-type]
        """The hands in an image, or in each of several.

        Parameters may stand in the address, or be fields of the form or the JSON, which count where both name one.
        One image that can't be read is an error; among several it is named in the answer, and the others are answered.
        """
        keys = [key for key, _ in request.query_params.multi_items()]
        received = await receive(request, line, most_images=MOST_IMAGES, with_json=True)
        if twice := [*received.twice, *(key for key in keys if keys.count(key) > 1)]:
            raise HTTPException(422, f"{twice[0]}: given twice")
        if unknown := [key for key in received.files if key not in FILES]:
            raise HTTPException(422, f"{unknown[0]}: the file of a form is called image")
        settings = _merged(asked, query, received.fields, strict=received.strict)
        segmenter = segmenters[settings.model]
        if settings.policy and settings.policy not in segmenter.card.policies:
            raise HTTPException(422, f"policy: {settings.model} has {', '.join(segmenter.card.policies)}")
        several = len(received.images) > 1
        answers: list[bytes | dict[str, Any]] = []
        async with line.place():
            for content, name in received.images:
                task = Task(
                    content,
                    name,
                    settings.model,
                    settings.output,
                    limits.megapixels * MEGA,
                    settings.threshold,
                    settings.policy,
                    shapes=True,
                )
                try:
                    answer = (await line.compute(request, task)).content
                    if several and isinstance(answer, bytes):
                        answer = {"image": name, "picture": base64.b64encode(answer).decode()}
                    answers.append(answer)
                except HTTPException as error:
                    if not several or error.status_code == 503:
                        raise
                    answers.append({"image": name, "error": error.detail})
        if isinstance(answers[0], bytes):
            return as_response(answers[0])
        changed = segmenter.changed(policy=settings.policy, threshold=settings.threshold)
        return JSONResponse(_found(changed, [answer for answer in answers if isinstance(answer, dict)]))

    return routes


def _merged(asked: type[Parameters], query: Parameters, fields: Mapping[str, Any], *, strict: bool) -> Parameters:
    """The parameters of the address, and those beside the image, which count where both name one.

    strict: types of those beside the image count, as in JSON.
    """
    in_address = query.model_dump(exclude_unset=True)
    try:
        beside = asked.model_validate(fields, strict=strict).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise HTTPException(422, worded(error.errors()[0])) from error
    return asked.model_validate({**in_address, **beside})


def _found(segmenter: Segmenter, answers: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer to a request for JSON, whose images may all have been unreadable."""
    least = segmenter.min_confidence
    if least is None:
        least = default_min_confidence(segmenter.threshold)
    settings = {
        "model": segmenter.card.name,
        "policy": segmenter.policy,
        "threshold": segmenter.threshold,
        "min_area": segmenter.min_area,
        "min_confidence": least,
    }
    images = [
        {
            "name": answer["image"],
            "width": answer.get("width"),
            "height": answer.get("height"),
            "hands": answer.get("hands", []),
            "picture": answer.get("picture"),
            "error": answer.get("error"),
        }
        for answer in answers
    ]
    return {**settings, "images": images}


def _body(asked: type[Parameters]) -> dict[str, Any]:
    fields = asked.model_json_schema()["properties"]
    file = {"type": "string", "format": "binary"}
    text = {"type": "string", "format": "base64", "contentEncoding": "base64", "description": "of an image file"}
    form = {"image": {"type": "array", "items": file, "minItems": 1, "maxItems": MOST_IMAGES}, **fields}
    several = {"type": "array", "items": text, "minItems": 1, "maxItems": MOST_IMAGES}
    json = {"image": {"anyOf": [text, several]}, **fields}

    def described(properties: dict[str, Any]) -> dict[str, Any]:
        closed = {"type": "object", "properties": properties, "required": ["image"], "additionalProperties": False}
        return {"schema": closed}

    content = {"image/*": BINARY, "multipart/form-data": described(form), "application/json": described(json)}
    return {"requestBody": {"required": True, "description": "The image file, or several.", "content": content}}
