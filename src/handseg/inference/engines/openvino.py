"""OpenVINO on the CPU, from the same .onnx files. Needs handseg[openvino]."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np

from handseg.errors import MissingExtraError, ModelError
from handseg.inference.card import METADATA_KEY, ModelCard
from handseg.inference.engines.packaged import reopening


class OpenVinoEngine:
    """Runs an .onnx file that carries its card.

    precision: `f32` gives what the other engines give. `bf16` computes in bfloat16, which is faster on CPUs that have
    it and moves single probabilities by tenths, though hardly the mask (docs/results/speed.md).
    Raises ModelError when the file isn't an ONNX model or has no card, the device isn't cpu, or the CPU lacks bfloat16.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        device: str = "cpu",
        precision: Literal["f32", "bf16"] = "f32",
    ) -> None:
        try:
            import openvino
            from openvino.frontend import FrontEndManager
        except ImportError as error:
            raise MissingExtraError(f"{path}: OpenVINO", "openvino") from error
        self.name = "openvino" if precision == "f32" else "openvino-bf16"
        self.model = str(path)
        self._settings = {"threads": threads, "device": device, "precision": precision}
        if device != "cpu":
            raise ModelError(f"device {device}: the engine {self.name} runs on cpu only; use --engine onnxruntime")
        settings = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_PRECISION_HINT": precision}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = str(threads)

        def compiled() -> tuple[Any, Any]:
            """The model and a request, or two Nones where the CPU can't compute so."""
            core = openvino.Core()
            if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
                return None, None
            # The ONNX front end alone: `read_model` would try them all, and some print what they think of the file.
            frontend = FrontEndManager().load_by_framework("onnx")
            model = frontend.convert(frontend.load(str(path)))
            return model, core.compile_model(model, "CPU", settings).create_infer_request()

        try:
            # In a thread of its own, since OpenVINO changes the stack that the thread's signal handlers run on, and the
            # end of two models leaves one that is freed: in the main thread Ctrl-C would then end in a SIGSEGV.
            with ThreadPoolExecutor(1) as thread:
                model, self._request = thread.submit(compiled).result()
        except Exception as error:  # OpenVINO raises classes of its own for a bad file
            raise ModelError(
                f"{path}: not an ONNX model that OpenVINO can run; export it anew with: handseg export"
            ) from error
        if model is None:
            raise ModelError(f"{self.name}: this CPU has no bfloat16; use --engine openvino")
        where = ["framework", METADATA_KEY]
        if not model.has_rt_info(where):
            raise ModelError(f"{path}: carries no model card, so its input isn't known; export it with: handseg export")
        self.card = ModelCard.from_json(model.get_rt_info(where).astype(str), str(path))
        self._lock = Lock()  # a request holds one input at a time

    def __reduce__(self) -> tuple[Any, ...]:
        return reopening(OpenVinoEngine, self.model, self._settings)

    def run(self, batch: np.ndarray) -> np.ndarray:
        with self._lock:
            return np.asarray(self._request.infer({0: batch})[0], np.float32)  # a copy: the request reuses its own
