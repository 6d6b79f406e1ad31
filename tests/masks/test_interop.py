from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from handseg.errors import MissingExtraError
from handseg.masks.result import HandMask


def result() -> HandMask:
    probability = np.zeros((60, 80), np.float32)
    probability[10:30, 20:50] = 0.9
    probability[40:50, 60:70] = 0.7
    return HandMask(probability, 0.5)


def test_supervisions_detections() -> None:
    pytest.importorskip("supervision", reason="supervision isn't installed: handseg[supervision]")
    detections = result().to_supervision()
    assert detections.xyxy.tolist() == [[20, 10, 50, 30], [60, 40, 70, 50]]
    assert detections.mask.dtype == bool
    assert [int(m.sum()) for m in detections.mask] == [600, 100]
    assert detections.confidence == pytest.approx([0.9, 0.7])
    assert detections.class_id.tolist() == [0, 0]
    assert list(detections["class_name"]) == ["hand", "hand"]
    assert len(HandMask(np.zeros((9, 9), np.float32), 0.5).to_supervision()) == 0


def test_tensors_are_copies(torch) -> None:
    masked = result()
    mask, probability = masked.to_torch(), masked.to_torch("probability")
    assert (mask.dtype, tuple(mask.shape)) == (torch.uint8, (60, 80))
    assert np.array_equal(mask.numpy(), masked.mask)
    assert probability.dtype == torch.float32
    probability += 1
    assert masked.probability.max() < 1
    with pytest.raises(ValueError, match="mask"):
        masked.to_torch("logits")


@pytest.mark.parametrize(("library", "extra"), [("supervision", "supervision"), ("torch", "train")])
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, library: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"handseg\[{extra}\]"):
        getattr(result(), f"to_{library}")()


def test_a_result_imports_neither() -> None:
    code = "import sys, handseg.masks.result, handseg.masks.interop; print({'torch', 'supervision'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
