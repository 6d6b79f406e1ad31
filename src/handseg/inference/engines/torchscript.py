"""TorchScript, for those who come from the blog's pipeline. Needs torch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from handseg.errors import MissingExtraError, ModelError
from handseg.inference.card import METADATA_KEY, ModelCard
from handseg.inference.engines.foreign import Output, check_output_kind, probability
from handseg.inference.engines.packaged import reopening


def devices() -> list[str]:
    """What this engine can run on here: cpu, and GPUs as cuda:0; [] where torch isn't installed."""
    try:
        import torch
    except ImportError:
        return []
    return ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]


class TorchScriptEngine:
    """Runs a TorchScript file written by `handseg export`, or, given `foreign`, one without a card.

    foreign: the card of a file that has none. Such a network is fed float32 (1, 3, H, W) normalised by that
    card, and what it returns, (1, 1, H, W), is checked. output: what that is; a file with a card says so itself.
    Raises ModelError when the file isn't TorchScript, has no card and none is given, or `output` contradicts its card.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        device: str = "cpu",
        foreign: ModelCard | None = None,
        output: Output = "probability",
    ) -> None:
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError(f"{path}: TorchScript", "train") from error
        check_output_kind(output)
        check_device(device)
        self._torch = torch
        self.model = str(path)
        self._settings = {"threads": threads, "device": device, "foreign": foreign, "output": output}
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
            raise ModelError(
                f"{path}: not a TorchScript model that torch {torch.__version__} can run; "
                "export it anew with: handseg export"
            ) from error
        self._device = torch.device(device)
        self._foreign = not extra[METADATA_KEY]
        self._output: Output = output
        if not self._foreign:
            self.card = ModelCard.from_json(_text(extra[METADATA_KEY]), str(path))
            if output != "probability":
                raise ModelError(
                    f"{path}: its card says that it returns probabilities; open it without output={output!r}"
                )
        elif foreign is not None:
            self.card = foreign
            weight = next((p for p in self._net.parameters() if p.is_floating_point()), None)
            self._precision = torch.float32 if weight is None else weight.dtype
        else:
            raise ModelError(
                f"{path}: carries no model card, so its input isn't known; export it with: handseg export, "
                "or open it with HandSegmentationPipeline"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return reopening(TorchScriptEngine, self.model, self._settings)

    def run(self, batch: np.ndarray) -> np.ndarray:
        torch = self._torch
        if self._threads is not None and self._threads != torch.get_num_threads():
            torch.set_num_threads(self._threads)  # torch has one number for the whole process
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device)
            if not self._foreign:
                return np.asarray(self._net(x).float().cpu().numpy())
            mean, std = (torch.tensor(v, device=x.device) for v in (self.card.mean, self.card.std))
            x = ((x.float() - mean) / std).permute(0, 3, 1, 2).contiguous().to(self._precision)
            # One at a time: a batch of one may be fixed in a traced file.
            return np.stack([self._run_foreign(image[None]) for image in x])

    def _run_foreign(self, image: Any) -> np.ndarray:
        """Probability float32 (1, H, W) of a float image (1, 3, H, W)."""
        shape = "×".join(map(str, image.shape))
        try:
            values = self._net(image)
        except RuntimeError as error:
            reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
            raise ModelError(
                f"{self.model}: fails on an input of {shape} ({reason}); "
                "it must take float RGB in [0, 1], of the input_size that is given"
            ) from error
        if not isinstance(values, self._torch.Tensor):
            raise ModelError(
                f"{self.model}: returns a {type(values).__name__}, not one tensor; "
                "pick the mask's inside the model (as x['out'] or x[0]) and save it anew"
            )
        found = probability(values.float().cpu().numpy(), tuple(image.shape[2:]), self._output, self.model)
        return found[None]


def check_device(device: str) -> None:
    """Raises ModelError where torch doesn't run on it here."""
    import torch

    if device.split(":")[0] not in ("cpu", "cuda"):
        raise ModelError(f"device {device}: the engine torchscript runs on cpu or cuda; choose one of them")
    if device != "cpu" and not torch.cuda.is_available():
        raise ModelError(f"device {device}: torch finds no GPU here; use cpu")


def _text(value: str | bytes) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else value
