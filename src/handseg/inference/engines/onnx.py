"""onnxruntime, the default engine."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime as ort

from handseg.errors import ModelError
from handseg.inference.card import METADATA_KEY, ModelCard
from handseg.inference.engines.packaged import reopening

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
NUMBERED = ("cuda", "directml")
LARGE, HUGE = 2, 5  # times the pixels of the model's usual input


class OnnxEngine:
    """Runs an .onnx file that carries its card.

    device: a key of PROVIDERS; cuda and directml may name one of several cards, as in `cuda:1`.
    Raises ModelError when the file isn't an ONNX model, has no card, or the device isn't available.
    """

    def __init__(self, path: Path, *, threads: int | None = None, device: str = "cpu") -> None:
        self.name = "onnxruntime" if device == "cpu" else f"onnxruntime on {device}"
        self.model = str(path)
        self._settings = {"threads": threads, "device": device}
        provider, settings = _provider(device)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        if device.startswith("directml"):  # asked for by its documentation
            options.enable_mem_pattern = False
        try:
            self._session = ort.InferenceSession(str(path), options, providers=[(provider, settings)])
        except Exception as error:  # onnxruntime raises classes of its own for a bad file
            raise ModelError(
                f"{path}: not an ONNX model that onnxruntime can run; export it anew with: handseg export"
            ) from error
        if provider not in self._session.get_providers():  # onnxruntime would go on with the CPU
            raise ModelError(f"device {device}: onnxruntime can't start it; check its driver and libraries, or use cpu")
        card = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if card is None:
            raise ModelError(f"{path}: carries no model card, so its input isn't known; export it with: handseg export")
        self.card = ModelCard.from_json(card, str(path))
        self._input = self._session.get_inputs()[0].name
        self._usual = self.card.size[0] * self.card.size[1]
        self._one_at_a_time = Lock()
        self._giving_back = ort.RunOptions()
        if device == "cpu":
            self._giving_back.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def __reduce__(self) -> tuple[Any, ...]:
        return reopening(OnnxEngine, self.model, self._settings)

    def run(self, batch: np.ndarray) -> np.ndarray:
        # A closer look takes up to ten times the memory of a usual one, and onnxruntime would keep it.
        larger = batch.shape[1] * batch.shape[2] / self._usual
        with self._one_at_a_time if larger > HUGE else nullcontext():
            output = self._session.run(None, {self._input: batch}, self._giving_back if larger > LARGE else None)[0]
        return np.asarray(output, np.float32)


def _provider(device: str) -> tuple[str, dict[str, str]]:
    """onnxruntime's name for a device, and its settings."""
    kind, colon, number = device.partition(":")
    available = ort.get_available_providers()
    if PROVIDERS.get(kind) not in available:
        offered = ", ".join(name for name, provider in PROVIDERS.items() if provider in available)
        raise ModelError(f"device {device}: this onnxruntime offers {offered}; choose one of them")
    if not colon:
        return PROVIDERS[kind], {}
    if kind not in NUMBERED or not number.isdecimal():
        raise ModelError(f"device {device}: write {kind}" + f" or {kind}:0" * (kind in NUMBERED))
    return PROVIDERS[kind], {"device_id": number}
