"""onnxruntime, the default engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort

from handseg.card import METADATA_KEY, ModelCard
from handseg.errors import ModelError

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxEngine:
    """Runs an .onnx file that carries its card.

    Raises ModelError when the file isn't an ONNX model, has no card, or the device isn't available.
    """

    name = "onnxruntime"

    def __init__(self, path: Path, *, threads: int | None = None, device: str = "cpu") -> None:
        self.model = str(path)
        provider = PROVIDERS.get(device.split(":")[0])
        if provider not in ort.get_available_providers():
            raise ModelError(f"device {device}: this onnxruntime offers {_offered()}; choose one of them")
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self._session = ort.InferenceSession(str(path), options, providers=[provider])
        except Exception as error:  # onnxruntime raises classes of its own for a bad file
            raise ModelError(
                f"{path}: not an ONNX model that onnxruntime can run; export it anew with: handseg export"
            ) from error
        card = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if card is None:
            raise ModelError(f"{path}: carries no model card, so its input isn't known; export it with: handseg export")
        self.card = ModelCard.from_json(card, str(path))
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: np.ndarray) -> np.ndarray:
        output = self._session.run(None, {self._input: batch})[0]
        return np.asarray(output, np.float32)


def _offered() -> str:
    available = ort.get_available_providers()
    return ", ".join(device for device, provider in PROVIDERS.items() if provider in available)
