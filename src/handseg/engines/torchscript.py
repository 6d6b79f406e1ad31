"""TorchScript, for those who come from the blog's pipeline. Needs torch."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from handseg.card import METADATA_KEY, ModelCard
from handseg.errors import MissingExtraError, ModelError


class TorchScriptEngine:
    """Runs a TorchScript file written by `handseg export`, or, given `foreign`, one without a card.

    foreign: the card of a file that has none. Such a network is fed float32 (N, 3, H, W) normalised by that
    card and must return logits (N, 1, H, W), as the blog's does.
    Raises ModelError when the file isn't TorchScript, or has no card and none is given.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        device: str = "cpu",
        foreign: ModelCard | None = None,
    ) -> None:
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError(f"{path}: TorchScript", "train") from error
        if device.split(":")[0] not in ("cpu", "cuda"):
            raise ModelError(f"device {device}: the engine torchscript runs on cpu or cuda; choose one of them")
        if device != "cpu" and not torch.cuda.is_available():
            raise ModelError(f"device {device}: torch finds no GPU here; use cpu")
        self._torch = torch
        self.model = str(path)
        self.name = "torchscript" if device == "cpu" else f"torchscript on {device}"
        self._threads = threads
        extra = {METADATA_KEY: ""}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                self._net = torch.jit.load(  # type: ignore[no-untyped-call]
                    path, map_location=device, _extra_files=extra
                ).eval()
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"{path}: not a TorchScript model; export it anew with: handseg export") from error
        self._device = torch.device(device)
        self._foreign = not extra[METADATA_KEY]
        if not self._foreign:
            self.card = ModelCard.from_json(_text(extra[METADATA_KEY]), str(path))
        elif foreign is not None:
            self.card = foreign
        else:
            raise ModelError(
                f"{path}: carries no model card, so its input isn't known; export it with: handseg export, "
                "or open it with HandSegmentationPipeline"
            )

    def run(self, batch: np.ndarray) -> np.ndarray:
        torch = self._torch
        if self._threads is not None and self._threads != torch.get_num_threads():
            torch.set_num_threads(self._threads)  # torch has one number for the whole process
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device)
            if self._foreign:
                mean, std = (torch.tensor(v, device=x.device) for v in (self.card.mean, self.card.std))
                x = ((x.float() - mean) / std).permute(0, 3, 1, 2)
            y = self._net(x)
            y = y.sigmoid() if self._foreign else y
            return np.asarray(y.float().cpu().numpy())


def _text(value: str | bytes) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else value
