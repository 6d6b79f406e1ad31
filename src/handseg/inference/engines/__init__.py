"""Inference runtimes: the only code that knows one. `open_engine` picks by the model file's kind."""

from __future__ import annotations

from numbers import Integral
from pathlib import Path
from typing import Any, Literal

from handseg.errors import ModelError
from handseg.inference.engines.base import Engine
from handseg.inference.engines.model_file import kind_of
from handseg.inference.engines.packaged import find_model, packaged_models

ENGINES = {"onnxruntime": ".onnx", "openvino": ".onnx", "openvino-bf16": ".onnx", "torchscript": ".pt"}

__all__ = ["ENGINES", "Engine", "check_threads", "find_model", "open_engine", "packaged_models"]


def check_threads(threads: Any) -> None:
    """Raise ModelError for a number of threads that is none."""
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, Integral) or int(threads) < 1):
        raise ModelError(f"threads {threads!r}: must be 1 or more; leave it out for all cores")


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
    check_threads(threads)
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
