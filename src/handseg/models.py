"""Open a model: a packaged one by name, a file, or a run of your own."""

from __future__ import annotations

from pathlib import Path

from handseg.errors import MissingExtraError, ModelError
from handseg.inference.engines import Engine, check_threads, open_engine, packaged_models
from handseg.inference.segmenter import Segmenter, TestTime
from handseg.masks.labels import LabelPolicy
from handseg.masks.result import MIN_AREA


def load(
    model: str | Path = "default",
    *,
    engine: str | None = None,
    threads: int | None = None,
    device: str = "cpu",
    policy: LabelPolicy = "hand",
    threshold: float | None = None,
    test_time: TestTime = "none",
    second_look: bool = True,
    min_area: float = MIN_AREA,
    min_confidence: float | None = None,
) -> Segmenter:
    """Open a packaged model by name, a model file, or a run of `handseg train`.

    A run is named by its folder, or a checkpoint (.ckpt) of it. It needs torch, as training does; `handseg
    export` makes a file of it that doesn't.
    engine: `onnxruntime`, `openvino`, `openvino-bf16` or `torchscript`; default: onnxruntime, torchscript for a .pt
    file, torch itself for a run. threads: default: all cores. device: `cpu`, or what the engine has (see
    `open_engine`).
    policy: what counts as foreground, `hand` (cut at the wrist) or `hand+forearm`.
    threshold: in (0, 1); default: the model card's. test_time: average over views of the image, at a
    multiple of the cost: `flip` (2 times), `flip+scales` (about 7 times). What it gains is small (docs/results).
    second_look: show images with small hands to the network again, 2 or 3 times as large; it finds more of them
    (docs/results), at 5 or 14 times the cost for such an image and none for others.
    min_area: share of the image's area that a region must have to be a hand. min_confidence: mean probability that it
    must have; default: 0.1 above the threshold, but at most 0.7. 0 for both: all that reaches the threshold.
    Raises ModelError when the model, the engine, the device or the policy isn't there; MissingExtraError for a run
    where torch isn't installed.
    """
    opened: Engine
    if (run := _run_of(model)) is not None:
        opened = _open_run(run, engine=engine, threads=threads, device=device)
    else:
        opened = open_engine(model, engine=engine, threads=threads, device=device)
    return Segmenter(
        opened,
        policy=policy,
        threshold=threshold,
        test_time=test_time,
        second_look=second_look,
        min_area=min_area,
        min_confidence=min_confidence,
    )


def _run_of(model: str | Path) -> Path | None:
    """The run's folder or checkpoint that `model` names; None where it names something else.

    Raises ModelError for a folder that holds no run.
    """
    path = Path(model)
    if path.suffix == ".ckpt":
        return path
    if not path.is_dir() or str(model) in packaged_models():
        return None
    if not (path / "last.ckpt").is_file():
        raise ModelError(f"{path}: a folder without last.ckpt, so no run; name a run's folder, or a model file")
    return path


def _open_run(run: Path, *, engine: str | None, threads: int | None, device: str) -> Engine:
    check_threads(threads)
    if engine is not None:
        raise ModelError(
            f"{run}: a run is opened by torch, not by {engine}; leave the engine out, or make a file for it with: "
            f"handseg export {run} -o model.onnx"
        )
    try:
        from handseg.training.engine import CheckpointEngine
    except ImportError as error:
        raise MissingExtraError(f"{run}: a run", "train") from error
    return CheckpointEngine(run, threads=threads, device=device)
