"""What INT8 costs and gains by which layers stay in float, and by how the numbers are stored.

Pixel IoU on images that were not calibrated on, against their labels and against the float model's masks; CPU time of
the network on one thread, in turn in one process.

    OMP_NUM_THREADS=1 python benchmarks/int8_variants.py DATA/egohands_more
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import onnx
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from handseg.export.half import restore_half
from handseg.export.int8 import choose_images
from handseg.image import load_image
from handseg.inference.engines import Engine, find_model, open_engine
from handseg.inference.preprocess import preprocess
from handseg.inference.segmenter import Segmenter
from handseg.metrics import count_labelled, score

ROUNDS = 15
PLAIN = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}


class Reader:
    def __init__(self, inputs: list[np.ndarray]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        pixels = next(self._inputs, None)
        return None if pixels is None else {"image": pixels}


def main(root: str) -> None:
    logging.disable(logging.WARNING)
    card = open_engine("default").card
    images = choose_images(Path(root), card)
    if images.masks is None:
        raise SystemExit(f"{root}: has no masks/")
    labels = [load() for load in images.masks]
    inputs = [preprocess(load_image(path), card)[0][None] for path in images.calibration]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = onnx.load(find_model("default"))
        restore_half(model)
        onnx.save(model, folder / "float.onnx")
        quant_pre_process(folder / "float.onnx", folder / "prepared.onnx", skip_symbolic_shape=True)
        nodes = onnx.load(folder / "prepared.onnx").graph.node
        names = [node.name for node in nodes]
        convolutions = [i for i, node in enumerate(nodes) if node.op_type == "Conv"]
        head = names[convolutions[-1] :]
        shipped = names[: convolutions[2]] + head
        variants = {
            "every layer": PLAIN,
            "the convolutions alone": PLAIN | {"op_types_to_quantize": ["Conv"]},
            "all but the head": PLAIN | {"nodes_to_exclude": head},
            "all but head and first": PLAIN | {"nodes_to_exclude": names[: convolutions[1]] + head},
            "**all but head and first two**": PLAIN | {"nodes_to_exclude": shipped},
            "… weights of seven bits": PLAIN | {"nodes_to_exclude": shipped, "reduce_range": True},
            "… unsigned weights": PLAIN | {"nodes_to_exclude": shipped, "weight_type": QuantType.QUInt8},
            "… signed activations": PLAIN | {"nodes_to_exclude": shipped, "activation_type": QuantType.QInt8},
        }
        engines: dict[str, Engine] = {"float": open_engine(folder / "float.onnx", threads=1)}
        for i, (variant, options) in enumerate(variants.items()):
            path = folder / f"{i}.onnx"
            quantize_static(
                folder / "prepared.onnx",
                path,
                Reader(inputs),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                calibration_cache_path=folder / "ranges.json",  # the first variant's: it asks for the most
                **options,
            )
            engines[variant] = open_engine(path, threads=1)
        times: dict[str, list[float]] = {variant: [] for variant in engines}
        for turn in range(ROUNDS):
            for variant, engine in engines.items():
                start = time.process_time()
                engine.run(inputs[turn % len(inputs)])
                times[variant].append(1000 * (time.process_time() - start))
        masks = {
            variant: [Segmenter(engine)(load_image(path)).mask for path in images.held_out]
            for variant, engine in engines.items()
        }
    print(f"{len(inputs)} images to calibrate on, {len(labels)} held out\n")
    print("| quantised | ms | IoU, labels | IoU, float's masks |\n| --- | ---: | ---: | ---: |")
    for variant, own in masks.items():
        ious = [
            score(np.array([count_labelled(a, b) for a, b in zip(own, other)]))["pixel"]["iou"]
            for other in (labels, masks["float"])
        ]
        print(f"| {variant} | {median(times[variant]):.1f} | {ious[0]:.4f} | {ious[1]:.4f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
