"""Inference runtimes: the only code that knows one. `open_engine` picks by the model file's kind."""

from __future__ import annotations

from importlib.resources import files
from numbers import Integral
from pathlib import Path
from typing import Literal

from handseg.errors import ModelError
from handseg.inference.engines.base import Engine
from handseg.inference.engines.model_file import kind_of

ENGINES = {"onnxruntime": ".onnx", "openvino": ".onnx", "openvino-bf16": ".onnx", "torchscript": ".pt"}

__all__ = ["ENGINES", "Engine", "find_model", "open_engine", "packaged_models"]


def packaged_models() -> list[str]:
    """Names of the models that come with handseg.

    Raises ModelError when they aren't there.
    """
    if not (names := list(_packaged())):
        raise ModelError(
            "the models that come with handseg are missing; install it anew, or, where PyInstaller put it into a "
            "program, build that with: --collect-data handseg"
        )
    return names


def find_model(model: str | Path) -> Path:
    """The file of a packaged model's name, or the path itself.

    Raises ModelError when it is neither.
    """
    if packaged := _packaged().get(str(model)):
        return packaged
    path = Path(model)
    if not path.is_file():
        raise ModelError(f"{model}: neither a file nor a packaged model; packaged are: {', '.join(packaged_models())}")
    return path


def _packaged() -> dict[str, Path]:
    """Files by the models' names; none where the folder is missing."""
    folder = Path(str(files("handseg"))) / "weights"
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))}


def open_engine(
    model: str | Path = "default",
    *,
    engine: str | None = None,
    threads: int | None = None,
    device: str = "cpu",
) -> Engine:
    """Open a model by packaged name or path.

    engine: one of ENGINES, whose values are the kinds of file they run. Default: by the kind of file, onnxruntime for
    .onnx also where OpenVINO is installed, which isn't faster at the same precision (docs/results/speed.md).
    threads: of the engine; default: its own choice, all cores. device: cpu; with onnxruntime also cuda, coreml or
    directml where it was built with them; with torchscript also cuda.
    Raises ModelError when the model, the engine or the device isn't there or the file isn't a model of that kind, and
    MissingExtraError when the engine isn't installed; another one is never taken instead.
    """
    _check_threads(threads)
    path = find_model(model)
    kind = kind_of(path)
    if engine is None:
        engine = "torchscript" if kind == "torchscript" or path.suffix in (".pt", ".pth", ".ts") else "onnxruntime"
    if engine not in ENGINES:
        raise ModelError(f"{engine}: unknown engine; choose one of {', '.join(ENGINES)}")
    if kind == "weights":
        raise ModelError(
            f"{path}: a checkpoint or weights, not a model that says how it is fed; "
            f"make one of it with: handseg export {path} -o model.onnx, or open it with HandSegmentationPipeline"
        )
    if engine == "torchscript":
        from handseg.inference.engines.torchscript import TorchScriptEngine

        return TorchScriptEngine(path, threads=threads, device=device)
    if engine.startswith("openvino"):
        from handseg.inference.engines.openvino import OpenVinoEngine

        precision: Literal["f32", "bf16"] = "bf16" if engine == "openvino-bf16" else "f32"
        return OpenVinoEngine(path, threads=threads, device=device, precision=precision)
    from handseg.inference.engines.onnx import OnnxEngine

    return OnnxEngine(path, threads=threads, device=device)


def _check_threads(threads: object) -> None:
    if threads is not None and not (isinstance(threads, Integral) and int(threads) >= 1):
        raise ModelError(f"threads {threads!r}: must be a whole number, 1 or more; None takes all cores")
