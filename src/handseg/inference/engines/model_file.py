"""What kind of model a file is, told by its content, without opening it in any runtime."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from handseg.errors import ModelError

Kind = Literal["onnx", "torchscript", "weights", "unknown"]
# What is neither run nor read, by its first bytes (at an offset), and what to do with it.
OTHERS = (
    (0, b"\x89HDF", "an HDF5 file, as of Keras; export it to ONNX or TorchScript with its own tools"),
    (4, b"TFL3", "a TensorFlow Lite model; handseg runs .onnx and TorchScript"),
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file itself; fetch it with: git lfs pull"),
)
ZIP = b"PK\x03\x04"
PICKLE = b"\x80"  # torch.save before it made zip files


def kind_of(path: Path) -> Kind:
    """`weights`: what torch.save wrote. `unknown`: left to a runtime to judge.

    Raises ModelError, saying what to do, for a file that is of none of the kinds, empty, or cut short.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
        if not head:
            raise ModelError(f"{path}: empty; copy or export it again")
        for offset, mark, what in OTHERS:
            if head[offset:].startswith(mark):
                raise ModelError(f"{path}: {what}")
        if path.suffix == ".onnx":
            return "onnx"
        if head.startswith(ZIP):
            return _kind_of_archive(path)
        if head.startswith(PICKLE):
            return "weights"
        if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
            raise ModelError(
                f"{path}: weights in safetensors; save them as a file of torch: "
                "torch.save(safetensors.torch.load_file(name), 'model.pth')"
            )
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror}); check the file and its rights") from error
    return "unknown"


def _kind_of_archive(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise ModelError(f"{path}: damaged or cut short; copy or export it again") from error
    if "constants.pkl" in names:
        return "torchscript"
    if "data.pkl" in names:
        return "weights"
    if "archive_format" in names:
        raise ModelError(
            f"{path}: a program of torch.export, which handseg doesn't run; "
            "save it as TorchScript (torch.jit.trace) or ONNX (torch.onnx.export) instead"
        )
    raise ModelError(f"{path}: a zip file, but no model; name an .onnx or TorchScript file")
