"""What else than a path people hand over as an image: bytes, open files, tensors; and what is none, in words."""

from __future__ import annotations

import os
from typing import Any, Protocol

import numpy as np

from handseg.errors import ImageError

KINDS = "a path, bytes, an open binary file, a PIL image, a uint8 array or a tensor"


class SupportsRead(Protocol):
    """A file or stream opened for reading bytes."""

    def read(self) -> bytes: ...


class SupportsArray(Protocol):
    """A torch tensor, or whatever else numpy can make an array of."""

    def __array__(self) -> np.ndarray: ...


def content_of(source: Any) -> tuple[bytes, str] | None:
    """An image file's content and a name for it, of bytes or of a file or stream from where it stands; None of others.

    Raises ImageError for what is empty, not opened for bytes, or can't be read.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), "image in memory"
    if not callable(getattr(source, "read", None)):
        return None
    name = str(getattr(source, "name", "") or type(source).__name__)
    try:
        content = source.read()
    except (OSError, ValueError) as error:  # ValueError: closed
        raise ImageError(f"{name}: can't be read ({error}); open it anew") from error
    if not isinstance(content, bytes):
        raise ImageError(f"{name}: gives {type(content).__name__}, not bytes; open it with mode 'rb'")
    if not content:
        raise ImageError(f"{name}: nothing left to read in it; go back to its start with seek(0), or check the file")
    return content, name


def array_of(source: Any) -> np.ndarray | None:
    """uint8 H×W×3, H×W×4 or H×W of a tensor or of what else numpy takes for an array; None of others.

    Tensors of torch: uint8, or floats in [0, 1]; channels first or last. Raises ImageError for others.
    """
    if any((cls.__module__, cls.__name__) == ("torch", "Tensor") for cls in type(source).__mro__):
        return _from_tensor(source)
    if not hasattr(source, "__array__"):
        return None
    try:
        return np.asarray(source)
    except Exception as error:  # whatever another library raises
        raise ImageError(f"{type(source).__name__}: numpy can't make an array of it ({error})") from error


def check_path(source: Any) -> None:
    """Raise ImageError, in words, for what isn't a path to a file; `source` is nothing else that could be an image."""
    if isinstance(source, str) and source.partition("://")[0] in ("http", "https", "ftp", "s3", "gs", "data"):
        raise ImageError(
            f"{source[:80]}: an address, and handseg reads no network; fetch it first, or hand over the open answer, "
            "as urllib.request.urlopen(address)"
        )
    if isinstance(source, (str, os.PathLike)):
        return
    if source is None:
        raise ImageError("None is no image; cv2.imread gives None where it can't read a file: check the path")
    if isinstance(source, (list, tuple, set)):
        raise ImageError(
            f"a {type(source).__name__} of {len(source)}, where one image is asked for; give several to "
            "segmenter.batch(images), and pixels as numpy.array(pixels, 'uint8')"
        )
    hint = "; give its .image" if isinstance(getattr(source, "image", None), np.ndarray) else f"; give {KINDS}"
    raise ImageError(f"{type(source).__name__} is no image{hint}")


def check_several(images: Any) -> None:
    """Raise ImageError where one image is handed over instead of several."""
    one = isinstance(images, (str, os.PathLike, bytes, bytearray, memoryview)) or hasattr(images, "read")
    of_paths = getattr(getattr(images, "dtype", None), "kind", "u") in "OSU"
    pixels = not of_paths and len(getattr(images, "shape", (0,) * 4)) < 4
    if one or images is None or hasattr(images, "getbands") or pixels:
        what = "None" if images is None else f"one {type(images).__name__}"
        raise ImageError(f"{what}, where several images are asked for; give a list, or call segmenter(image) for one")
    if not hasattr(images, "__iter__") and not hasattr(images, "__getitem__"):
        raise ImageError(f"{type(images).__name__} holds no images; give a list of them")


def _from_tensor(tensor: Any) -> np.ndarray:
    if tensor.is_sparse or tensor.is_quantized or tensor.is_complex():
        raise ImageError(f"tensor of {tensor.dtype}: an image's is dense, uint8 or floats in [0, 1]")
    tensor = tensor.detach().cpu()
    values: np.ndarray = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    shape = "×".join(map(str, values.shape))
    if values.ndim == 4:
        raise ImageError(f"tensor of {shape}: several images; give them to segmenter.batch(tensor)")
    if values.ndim == 3 and values.shape[0] in (1, 3, 4):  # channels first, as torch has them
        values = values.transpose(1, 2, 0)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if not np.issubdtype(values.dtype, np.floating):
        return values
    if values.size == 0:
        return values.astype(np.uint8)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        raise ImageError(
            f"tensor of floats from {low:.3g} to {high:.3g}: an image's lie in [0, 1]; undo its normalisation first"
        )
    return np.asarray((values * 255).round().astype(np.uint8))
