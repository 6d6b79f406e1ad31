"""U-Nets trained by other code: their weights, read without running anything, as our `UNet`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from handseg.errors import ModelError
from handseg.nets.blocks import normalised_convolutions
from handseg.nets.unet import UNet

Weights = dict[str, Tensor]
# Under which names a network lies beside an optimizer, an epoch …, the likeliest first.
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights")
WAY_OUT = (
    "in the code that defines the network, save it as TorchScript: "
    "torch.jit.trace(network.eval(), torch.zeros(1, 3, 256, 256)).save('model.pt')"
)
# How published U-Nets call their parts; {n} counts the stages. What such code computes is known: the skip connection
# comes first in each concatenation, and each convolution is followed by its normalisation, if any, and a ReLU.
# decoder: counted from the bottleneck up.
NAMINGS: tuple[dict[str, str], ...] = (
    {
        "encoder": r"encoder\.(?P<n>\d+)",
        "bottleneck": r"bottleneck",
        "upsample": r"upsample\.(?P<n>\d+)",
        "decoder": r"decoder\.(?P<n>\d+)",
        "head": r"head",
    },
    {
        "encoder": r"downs\.(?P<n>\d+)(\.\w+)?",
        "bottleneck": r"bottleneck(\.\w+)?",
        "upsample": r"ups\.(?P<n>\d*[02468])",
        "decoder": r"ups\.(?P<n>\d*[13579])(\.\w+)?",
        "head": r"final_conv",
    },
    {
        "encoder": r"(inc|down(?P<n>[1-3])\.maxpool_conv\.1)(\.\w+)?",
        "bottleneck": r"down4\.maxpool_conv\.1(\.\w+)?",
        "upsample": r"up(?P<n>\d+)\.up",
        "decoder": r"up(?P<n>\d+)\.conv(\.\w+)?",
        "head": r"outc\.conv",
    },
)
LAYER = re.compile(r"(?P<layer>.*)\.(weight|bias|running_mean|running_var|num_batches_tracked)")


def read_weights(path: Path) -> Weights:
    """The named tensors, float32, of a file that torch.save wrote, freed of what they are wrapped in.

    Raises ModelError when the file holds more than data, so that reading it would run code, or no named tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # nearly anything, on a file that isn't its own
        raise ModelError(
            f"{path}: holds Python objects besides weights, as a whole network that was pickled, or is damaged; "
            f"handseg runs no code of a file: save network.state_dict() alone, or, {WAY_OUT}"
        ) from error
    if isinstance(content, Mapping) and "recipe" in (content.get("hyper_parameters") or ()):
        raise ModelError(f"{path}: the checkpoint of a handseg run; make a model of it with: handseg export {path}")
    weights = _unwrapped(content)
    if not weights:
        raise ModelError(f"{path}: holds no weights of a network; save network.state_dict(), or, {WAY_OUT}")
    while len(weights) > 1 and len({name.partition(".")[0] for name in weights}) == 1:  # of DataParallel, Lightning …
        weights = {name.partition(".")[2]: value for name, value in weights.items()}
    return {name: value.float() for name, value in weights.items()}


def unet_of(weights: Weights, source: str | Path) -> UNet:
    """The U-Net that they are of, in evaluation mode.

    Known are those of `UNet` itself and of the two implementations that are copied most, with or without batch
    normalisation, of any width. source: the file's name for the error message.
    Raises ModelError when they are of another network.
    """
    for naming in NAMINGS:
        layers = _layers(weights, naming)
        if layers is not None and (net := _built(layers)) is not None:
            return net
    first, shape = next((name, tuple(value.shape)) for name, value in weights.items())
    raise ModelError(
        f"{source}: holds weights without the network that they belong to (the first is {first}, {shape}), and it "
        f"isn't a U-Net with one output channel that handseg knows; {WAY_OUT}"
    )


def _unwrapped(content: Any) -> Weights:
    """The state dict in what was saved: itself, or under one of WRAPPERS."""
    if not isinstance(content, Mapping):
        return {}
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return dict(content)
    return next((found for name in WRAPPERS if (found := _unwrapped(content.get(name)))), {})


def _layers(weights: Weights, naming: dict[str, str]) -> dict[str, list[list[Weights]]] | None:
    """For each part of a U-Net its stages in order, each its layers in order; None where a name is none of these."""
    found: dict[str, dict[int, dict[int, Weights]]] = {part: defaultdict(dict) for part in naming}
    for name, value in weights.items():
        if (match := LAYER.fullmatch(name)) is None:
            return None
        for part, pattern in naming.items():
            many = part in ("encoder", "bottleneck", "decoder")
            where = re.fullmatch(pattern + (r"\.(?P<place>\d+)" if many else ""), match["layer"])
            if where is not None:
                stage = int(where.groupdict().get("n") or 0)
                place = int(where["place"]) if many else 0
                found[part][stage].setdefault(place, {})[name.rpartition(".")[2]] = value
                break
        else:
            return None
    return {part: [_block(layers) for _, layers in sorted(stages.items())] for part, stages in found.items()}


def _block(layers: dict[int, Weights]) -> list[Weights]:
    """Convolutions of a block in order, what its normalisation holds beside them as `norm.*`; [] where a normalisation
    doesn't follow a convolution at once."""
    block: list[Weights] = []
    for place, layer in sorted(layers.items()):
        if "running_mean" not in layer:
            block.append(layer)
        elif place - 1 in layers and "running_mean" not in layers[place - 1]:
            block[-1] = {**block[-1], **{f"norm.{name}": value for name, value in layer.items()}}
        else:
            return []
    return block


def _built(layers: dict[str, list[list[Weights]]]) -> UNet | None:
    """None where the shapes aren't those of a U-Net of RGB and one output channel."""
    try:
        widths = [stage[0]["weight"].shape[0] for stage in layers["encoder"]]
        net = UNet(3, 1, widths)
        parts: dict[str, list[nn.Module]] = {
            "encoder": [*net.encoder],
            "bottleneck": [net.bottleneck],
            "upsample": [*net.upsample],
            "decoder": [*net.decoder],
            "head": [net.head],
        }
        for part, modules in parts.items():
            for module, block in zip(modules, layers[part], strict=True):
                if isinstance(module, nn.Sequential):
                    pairs = [(conv, norm) for _, conv, _, norm in normalised_convolutions(module)]
                    for (conv, norm), values in zip(pairs, block, strict=True):
                        _fill(conv, norm, values)
                else:
                    (only,) = block
                    module.load_state_dict(only)
    except (IndexError, KeyError, RuntimeError, ValueError):
        return None
    return net.eval()


def _fill(conv: nn.Module, norm: nn.BatchNorm2d, values: Weights) -> None:
    """A convolution without bias, and its normalisation: it takes the bias, and is the identity where there is none."""
    weight = values["weight"]
    conv.load_state_dict({"weight": weight})
    ones = torch.ones(len(weight))
    bias = values.get("bias", 0 * ones)
    state = {name[5:]: value for name, value in values.items() if name.startswith("norm.")}
    if state:
        state["running_mean"] = state["running_mean"] - bias
        state.setdefault("num_batches_tracked", torch.zeros(()))
        state["num_batches_tracked"] = state["num_batches_tracked"].long()
        norm.load_state_dict(state)
        return
    eps = norm.eps
    identity = {"weight": ones, "bias": bias, "running_mean": 0 * ones, "running_var": ones - eps}
    norm.load_state_dict({**identity, "num_batches_tracked": torch.zeros((), dtype=torch.long)})
