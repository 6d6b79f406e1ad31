"""INT8: quantise an ONNX file on real images, and refuse the result where it finds hands worse. Needs no torch.

Static quantisation in QDQ form, which onnxruntime and OpenVINO both run: activations uint8, weights int8 with a scale
per channel. (Signed activations or unsigned weights are two to five times slower in onnxruntime; weights of seven
bits, which old CPUs without VNNI would want, cost a point of IoU.)
"""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from handseg.data import Sample, Split, read_dataset
from handseg.data.egohands import is_egohands
from handseg.data.files import image_files
from handseg.errors import DataError, MissingExtraError, ModelError
from handseg.export.half import restore_half
from handseg.files import write_atomically
from handseg.image import load_image
from handseg.image.mask_values import HAND
from handseg.inference.card import METADATA_KEY, ModelCard
from handseg.inference.engines import Engine, open_engine
from handseg.inference.preprocess import preprocess
from handseg.inference.segmenter import Segmenter
from handseg.metrics import count_labelled, score

if TYPE_CHECKING:
    import onnx

LIMIT = 0.005
CALIBRATION_IMAGES = 32
HELD_OUT_IMAGES = 64
FEWEST_IMAGES = 12


@dataclass(frozen=True)
class Images:
    """What to calibrate on, and what to judge by: other images, with or without labels.

    masks: of each held-out image, loads its label, a mask uint8 H×W, see `Sample.load_mask`; None where there are no
    labels. samples: all that they were chosen from; none where there are no labels.
    """

    calibration: Sequence[Path]
    held_out: Sequence[Path]
    masks: Sequence[Callable[[], np.ndarray]] | None
    samples: Sequence[Sample] = ()


@dataclass(frozen=True)
class Quantised:
    """What became of a model.

    iou, float_iou: pixel IoU on the held-out images, against the labels; where there are none, against the float
    model's own masks (float_iou is 1). in_float: the convolutions that were not quantised, of `layers`.
    """

    iou: float
    float_iou: float
    images: int
    labelled: bool
    in_float: tuple[str, ...]
    layers: int


def choose_images(root: Path, card: ModelCard, split: Split | None = None, *, mask_values: str = "") -> Images:
    """Divide the images of a folder: about a third is held out, whole sessions where there are six or more.

    root: a labelled dataset, or a folder of images at any depth. split: only what is on its training side.
    mask_values: what the masks' values mean, see `read_dataset`.
    Raises DataError when there are fewer than 12.
    """
    samples: list[Sample] = []
    told = ""
    if not root.is_dir() or is_egohands(root) or any((root / name).exists() for name in ("masks", "index.csv")):
        samples = read_dataset(
            root, card.policies[0], group_by=split.group_by if split else "", mask_values=mask_values
        )
        if split is not None:
            # A split of several datasets may name them with the dataset's name before theirs.
            train = {*split.train}
            samples = [s for s in samples if not train.isdisjoint((s.name, f"{s.dataset}:{s.name}"))]
            told = " on the training side"
        others = [s for s in samples if s.policy != card.policies[0]]
        if others and len(others) == len(samples):
            raise DataError(
                f"{root}: labelled {others[0].policy}, but the model answers {card.policies[0]}; "
                "name data labelled so, or a folder of photos without labels"
            )
        samples = [s for s in samples if s.policy == card.policies[0]]
        paths = [s.image for s in samples]
    elif split is not None:
        raise DataError(f"{root}: a split goes with the labelled dataset that it was made from, not a folder of photos")
    else:
        paths = image_files(root)
    if len(paths) < FEWEST_IMAGES:
        raise DataError(
            f"{root}: {len(paths)} images{told}, too few to calibrate and to judge by; have {FEWEST_IMAGES}"
        )
    groups = [s.session for s in samples]
    if len(set(groups)) < 6:
        groups = [str(path) for path in paths]
    sizes = Counter(groups)
    apart: set[str] = set()
    seen = kept = 0
    for group in sorted(sizes):
        if 3 * kept < seen:
            apart.add(group)
            kept += sizes[group]
        seen += sizes[group]
    held = _spread([i for i, group in enumerate(groups) if group in apart], HELD_OUT_IMAGES)
    calibration = _spread([i for i, group in enumerate(groups) if group not in apart], CALIBRATION_IMAGES)
    masks = [samples[i].load_mask for i in held] if samples else None
    return Images([paths[i] for i in calibration], [paths[i] for i in held], masks, samples)


def quantise(
    source: Path,
    path: Path,
    images: Images,
    *,
    card: ModelCard | None = None,
    limit: float = LIMIT,
    threads: int | None = None,
) -> Quantised:
    """Write the INT8 twin of an ONNX file, its card inside, if it is about as good.

    The head, what comes after it, and the first convolutions stay in float, where quantising costs most and gains
    least; if the rest still loses too much, more of the first ones do. card: default: the source's own without its
    scores; its name gets the suffix -int8, and the scores on the held-out images are added. limit: how far pixel IoU
    may fall.
    Raises ModelError, and writes nothing, when it falls further, or the source is INT8 or finds no hand in the images.
    """
    try:
        import onnx
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise MissingExtraError("INT8 export", "export") from error
    engine = open_engine(source, engine="onnxruntime", threads=threads)
    model = onnx.load(source)
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise ModelError(f"{source}: is INT8 already; name the float model")
    card = card or replace(engine.card, scores={})
    own = _masks(engine, card, images.held_out)
    labels = own if images.masks is None else [load() for load in images.masks]
    before = _iou(own, labels)
    if not any(np.any((mask > 0) & (label == HAND)) for mask, label in zip(own, labels)):
        raise ModelError(f"{source}: finds no hand in the held-out images, so INT8 can't be judged by them; use others")
    results = []
    with tempfile.TemporaryDirectory(prefix="handseg.") as folder:
        whole, prepared, draft = (Path(folder) / f"{name}.onnx" for name in ("float", "prepared", "int8"))
        restore_half(model)
        onnx.save(model, whole)
        quant_pre_process(whole, prepared, skip_symbolic_shape=True)
        for nodes in _float_nodes(onnx.load(prepared)):
            _write(prepared, draft, images.calibration, card, nodes)
            after = _iou(
                _masks(open_engine(draft, engine="onnxruntime", threads=threads), card, images.held_out), labels
            )
            model = onnx.load(draft)
            in_float, layers = _layers_in_float(model)
            results.append(Quantised(after, before, len(own), images.masks is not None, in_float, layers))
            if before - after <= limit:
                _save(model, path, card, results[-1])
                return results[-1]
    best = max(results, key=lambda result: result.iou)
    raise ModelError(
        f"{path}: in INT8 pixel IoU falls from {before:.4f} to {best.iou:.4f} on {best.images} held-out images, "
        f"by more than {limit:g}; not written. "
        + ("" if best.labelled else "Judge it by labels instead of the float model's masks (images/ and masks/), or ")
        + ("Calibrate" if best.labelled else "calibrate")
        + " on images more like those it is judged by"
    )


def _masks(engine: Engine, card: ModelCard, images: Sequence[Path]) -> list[np.ndarray]:
    segmenter = Segmenter(engine, policy=card.policies[0], threshold=card.threshold, second_look=False)
    return [segmenter(load_image(image)).mask for image in images]


def _save(model: onnx.ModelProto, path: Path, card: ModelCard, result: Quantised) -> None:
    import onnx

    judged = {"pixel_iou": round(result.iou, 4), "float_pixel_iou": round(result.float_iou, 4), "images": result.images}
    card = replace(card, name=f"{card.name}-int8", scores={**card.scores, "int8, held-out images": judged})
    onnx.helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    write_atomically(path, lambda file: file.write(model.SerializeToString()))


def _float_nodes(model: onnx.ModelProto) -> Iterator[list[str]]:
    """Which nodes to keep in float, first attempt first: all before the third convolution, then more; always the heads.

    A head is a convolution that no other one follows.
    """
    nodes = list(model.graph.node)
    leads_to_one: set[str] = set()  # tensors that some convolution needs
    heads = []
    for node in reversed(nodes):
        if not leads_to_one.intersection(node.output):
            heads.append(node.name)
            if node.op_type != "Conv":
                continue
        leads_to_one.update(node.input)
    convolutions = [i for i, node in enumerate(nodes) if node.op_type == "Conv"]
    n = len(convolutions)
    for first in sorted({min(k, n - 1) for k in (2, max(2, n // 8), max(2, n // 4))}):
        yield [node.name for node in nodes[: convolutions[first]]] + heads


def _write(source: Path, path: Path, images: Sequence[Path], card: ModelCard, in_float: list[str]) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with _quiet():
        quantize_static(
            source,
            path,
            _Calibration(images, card),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=in_float,
        )


class _Calibration:
    """onnxruntime's CalibrationDataReader: the images as the network sees them, one after the other."""

    def __init__(self, images: Sequence[Path], card: ModelCard) -> None:
        self._inputs = (preprocess(load_image(image), card)[0][None] for image in images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        pixels = next(self._inputs, None)
        return None if pixels is None else {"image": pixels}


def _layers_in_float(model: onnx.ModelProto) -> tuple[tuple[str, ...], int]:
    """The convolutions whose weights are not quantised, by the names of their weights, and how many there are."""
    quantised = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    weights = [node.input[1] for node in model.graph.node if node.op_type == "Conv"]
    return tuple(w.removesuffix(".weight") for w in weights if w not in quantised), len(weights)


def _iou(masks: Sequence[np.ndarray], labels: Sequence[np.ndarray]) -> float:
    counts = [count_labelled(mask, label) for mask, label in zip(masks, labels)]
    return score(np.array(counts))["pixel"]["iou"]


def _spread(indices: list[int], most: int) -> list[int]:
    """At most so many of them, evenly spread."""
    n = min(most, len(indices))
    return [indices[i * len(indices) // n] for i in range(n)]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without onnxruntime's warnings about single biases: what they cost, the held-out images show."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
