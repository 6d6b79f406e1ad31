"""Write a deployable network to a file, run that file on real images, and compare with torch."""

from __future__ import annotations

import copy
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from handseg.errors import HandsegError, MissingExtraError, ModelError
from handseg.export.half import store_half
from handseg.inference.card import METADATA_KEY, ModelCard
from handseg.inference.engines import open_engine
from handseg.inference.preprocess import preprocess
from handseg.nets.blocks import SegmentationNet, normalised_convolutions
from handseg.nets.deployable import BothLayouts, Deployable
from handseg.training.module import HandModule

TOLERANCE = 1e-4
Run = Callable[[np.ndarray], np.ndarray]  # of network inputs to probabilities


def export(
    module: HandModule,
    path: Path,
    images: Sequence[np.ndarray],
    *,
    card: ModelCard | None = None,
    half: bool = False,
) -> float:
    """Write `path` (.onnx or .pt), with the card inside, and check it.

    images: RGB uint8 arrays, at least one, on which the file is compared with torch. card: default: the module's.
    half: store the weights in half precision; the network is rounded first, and still computes in float32.
    Returns the largest difference between the file's probabilities and torch's. The file appears only when
    that is at most 1e-4. Raises ModelError when it isn't, or for another suffix.
    """
    if path.is_dir():
        raise ModelError(f"{path}: is a folder; name a file")
    write = {".onnx": write_onnx, ".pt": write_torchscript}.get(path.suffix)
    if write is None:
        raise ModelError(f"{path}: can't export to {path.suffix or 'no suffix'}; use .onnx or .pt")
    if card is None:
        card = module.card()
    card = replace(card, stride=module.net.stride)
    net = Deployable(fold_batch_norm(module.net), card.mean, card.std).eval()
    trained = Deployable(copy.deepcopy(module.net), card.mean, card.std).eval()
    if half:
        # Apart, since rounding moves far more than folding may.
        check(path, largest_difference(torch_run(trained), torch_run(net), card, images[:1]))
        round_to_half(net)
        trained = net
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=".export.")
    except OSError as error:
        raise HandsegError(f"{path.parent}: can't write there ({error.strerror}); choose another folder") from error
    with folder:
        draft = Path(folder.name) / path.name
        write(net, card, draft, half=half)
        difference = largest_difference(torch_run(trained), open_engine(draft).run, card, images)
        check(path, difference)
        if path.suffix == ".pt":
            check(path, largest_difference(hand_run(trained), plain_run(draft), card, images[:1]))
        os.replace(draft, path)
    return difference


def check(path: Path, difference: float) -> None:
    """Raises ModelError where a file, or what would be written to it, isn't what was trained."""
    if not difference <= TOLERANCE:
        raise ModelError(f"{path}: differs from torch by {difference:.2g}, more than {TOLERANCE:g}; not written")


def torch_run(net: Deployable) -> Run:
    def run(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(net(torch.from_numpy(pixels)))

    return run


def hand_run(net: Deployable) -> Run:
    return lambda pixels: torch_run(net)(pixels)[:, :1]


def plain_run(path: Path) -> Run:
    """A TorchScript file, as code that knows nothing of handseg runs it: see `BothLayouts`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        net = torch.jit.load(path).eval()  # type: ignore[no-untyped-call]

    def run(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(net(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255))

    return run


def largest_difference(one: Run, other: Run, card: ModelCard, images: Sequence[np.ndarray]) -> float:
    """Of the probabilities of two that run the same network, over the network inputs of `images`."""
    inputs = (preprocess(image, card)[0][None] for image in images)
    return float(np.max([np.abs(one(pixels) - other(pixels)).max() for pixels in inputs]))  # NaN where one is


def write_onnx(net: Deployable, card: ModelCard, path: Path, *, half: bool = False) -> None:
    """ONNX with dynamic batch, height and width; uint8 NHWC in, probability out."""
    try:
        import onnx
        import onnxscript  # noqa: F401  (torch.onnx.export needs it)
    except ImportError as error:
        raise MissingExtraError("ONNX export", "export") from error
    example = torch.zeros(2, 4 * card.stride, 3 * card.stride, 3, dtype=torch.uint8)
    auto = torch.export.Dim.AUTO
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net,
            (example,),
            dynamo=True,
            input_names=["image"],
            output_names=["probability"],
            dynamic_shapes={"image": {0: auto, 1: auto, 2: auto}},
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    if half:
        store_half(model)
    for part in (model.graph, *model.graph.node):
        del part.metadata_props[:]  # the exporter's stack traces, with paths of this machine
    onnx.helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def write_torchscript(net: Deployable, card: ModelCard, path: Path, *, half: bool = False) -> None:
    """TorchScript with the card as an extra file, for handseg and for code that knows nothing of it, see `BothLayouts`.

    Weights stay in float32: the format has no cast on load.
    """
    example = torch.zeros(1, 4 * card.stride, 4 * card.stride, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(net, example)  # type: ignore[no-untyped-call]
        scripted = torch.jit.script(BothLayouts(traced, card.stride, fmean(card.mean)))
        torch.jit.save(scripted, path, _extra_files={METADATA_KEY: card.to_json()})


def fold_batch_norm(net: SegmentationNet) -> SegmentationNet:
    """A copy in which each batch normalisation is part of the convolution before it: the same function, less to run."""
    net = copy.deepcopy(net).eval()
    for name, conv, norm_name, norm in list(normalised_convolutions(net)):
        net.set_submodule(name, fuse_conv_bn_eval(conv, norm))
        net.set_submodule(norm_name, nn.Identity())
    return net


def round_to_half(net: nn.Module) -> None:
    """Round the convolutions' weights to the nearest half-precision number, in place."""
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.copy_(parameter.half().float())
