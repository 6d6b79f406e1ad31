"""Images: read, save and resize them. Everything inside handseg is RGB uint8 H×W×3, sRGB."""

from handseg.image.load import (
    IMAGE_SUFFIXES,
    ImageLike,
    decode_image,
    image_orientation,
    image_size,
    load_image,
    load_label,
    load_mask,
    parse_colour,
)
from handseg.image.resize import blur, resize
from handseg.image.save import WRITTEN, encode_png, save_indexed_png, save_picture, save_png
from handseg.image.show import as_pil, show

__all__ = [
    "IMAGE_SUFFIXES",
    "WRITTEN",
    "ImageLike",
    "as_pil",
    "blur",
    "decode_image",
    "encode_png",
    "image_orientation",
    "image_size",
    "load_image",
    "load_label",
    "load_mask",
    "parse_colour",
    "resize",
    "save_indexed_png",
    "save_picture",
    "save_png",
    "show",
]
