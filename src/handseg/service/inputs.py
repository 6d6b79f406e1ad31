"""What a request brings: images as its body, as files of a form, or as base64 in JSON; and fields beside them."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from pathlib import PureWindowsPath
from typing import Any

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile

from handseg.service.line import Line

MOST_IMAGES = 16  # of a request
NONE = "no image: send the file as the request's body, or as the file of a form"


@dataclass
class Received:
    """images: content and name of each. fields: of the form or the JSON. files: the names of the form's file fields.
    twice: fields that are given more than once. strict: fields have types, as in JSON."""

    images: list[tuple[bytes, str]] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    twice: set[str] = field(default_factory=set)
    strict: bool = False


async def receive(request: Request, line: Line, *, most_images: int = 1, with_json: bool = False) -> Received:
    """Waits until the whole body is there. Raises 400 where there is no image in it, 408 where it takes too long, and
    422 for too many images."""
    kind = request.headers.get("content-type", "").lower().partition(";")[0].strip()
    with line.arrival():
        if kind == "multipart/form-data":
            received = await _form(request, most_images)
        else:
            body = await request.body()
            received = (
                _json(body, most_images) if with_json and kind == "application/json" else Received([(body, "image")])
            )
    if not received.images or not all(content for content, _ in received.images):
        raise HTTPException(400, NONE)
    return received


async def _form(request: Request, most_images: int) -> Received:
    received = Received()
    async with request.form(max_files=most_images, max_fields=16) as form:
        for key, part in form.multi_items():
            if isinstance(part, UploadFile):
                name = PureWindowsPath(part.filename or "").name[:100] or "image"  # without folders of any system
                received.images.append((await part.read(), name))
                received.files.append(key)
            else:
                received.twice |= {key} & received.fields.keys()
                received.fields[key] = part
    return received


def _json(body: bytes, most_images: int) -> Received:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"not JSON ({type(error).__name__}); check how it was made") from error
    if not isinstance(fields, dict):
        raise HTTPException(422, 'the JSON must be an object: {"image": "base64 of the file"}')
    images = fields.pop("image", None)
    texts = images if isinstance(images, list) else [images]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise HTTPException(422, "image: must be the base64 of an image file, or a list of such")
    if len(texts) > most_images:
        raise HTTPException(422, f"more than {most_images} images; send them in several requests")
    names = ["image"] if len(texts) == 1 else [f"image {i + 1}" for i in range(len(texts))]
    return Received([(_decoded(text), name) for text, name in zip(texts, names)], fields, strict=True)


def _decoded(text: str) -> bytes:
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise HTTPException(422, "image: not base64; encode the whole file, without line breaks") from error
