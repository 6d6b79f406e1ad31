"""What the API takes and gives, as OpenAPI describes it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model
from pydantic.json_schema import SkipJsonSchema

from handseg.masks.labels import LabelPolicy
from handseg.service.work import Output


class Error(BaseModel):
    """What is wrong and what to do."""

    error: str


class RunLengths(BaseModel):
    """A mask in COCO's compressed encoding."""

    size: Annotated[list[int], Field(description="height, width", min_length=2, max_length=2)]
    counts: str


class HandFound(BaseModel):
    """One hand."""

    box: Annotated[list[int], Field(description="x, y, width, height in pixels", min_length=4, max_length=4)]
    area: Annotated[int, Field(description="pixels")]
    centroid: Annotated[list[float], Field(description="x, y", min_length=2, max_length=2)]
    confidence: Annotated[float, Field(description="mean probability over its pixels")]
    convexity: Annotated[float, Field(description="its area as a share of its convex hull's")]
    owner: Annotated[str | None, Field(description='"own" or "other"; null where the model can\'t tell')]
    side: Annotated[str | None, Field(description='"left" or "right"; null where the model can\'t tell')]
    polygons: Annotated[list[list[float]], Field(description="x, y, x, y … each; holes are cut open")]
    rle: Annotated[RunLengths, Field(description="its exact pixels")]


class ImageFound(BaseModel):
    """What was found in one image, or why it couldn't be read."""

    name: str
    width: int | None = None
    height: int | None = None
    hands: list[HandFound] = []
    picture: Annotated[str | None, Field(description="base64 of a PNG, of one among several")] = None
    error: Annotated[str | None, Field(description="of one image among several; the others are answered")] = None


class Found(BaseModel):
    """What was found, and with which settings."""

    model: str
    policy: str
    threshold: float
    min_area: float
    min_confidence: float
    images: list[ImageFound]


class ModelFound(BaseModel):
    name: str
    policies: list[str]
    threshold: Annotated[float, Field(description="where a request names none")]
    engine: str


class Models(BaseModel):
    default: Annotated[str, Field(description="used where a request names none")]
    models: list[ModelFound]


class Ready(BaseModel):
    ready: bool
    why: str
    workers: int
    in_line: Annotated[int, Field(description="requests that have arrived and aren't answered")]


def given(value: object) -> object:
    """What may be left out, but not null."""
    if value is None:
        raise ValueError("must not be null; leave it out")
    return value


def with_plus(policy: object) -> object:
    """`hand+forearm`, whose + means a space in an address."""
    return given(policy.replace(" ", "+") if isinstance(policy, str) else policy)


def _no_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class Parameters(BaseModel):
    """What a request may ask for, in the address, the form or the JSON."""

    model_config = ConfigDict(extra="forbid")

    output: Output = "json"
    threshold: Annotated[
        Annotated[float, Field(gt=0, lt=1)] | SkipJsonSchema[None],
        BeforeValidator(given),
        Field(description="from this probability on a pixel is hand", json_schema_extra=_no_default),
    ] = None
    policy: Annotated[
        LabelPolicy | SkipJsonSchema[None], BeforeValidator(with_plus), Field(json_schema_extra=_no_default)
    ] = None
    model: str = ""


def parameters_for(models: tuple[str, ...]) -> type[Parameters]:
    """`Parameters` whose model is one of these; the first where none is named."""
    return create_model("SegmentParameters", __base__=Parameters, model=(Literal[models], models[0]))  # type: ignore[arg-type]
