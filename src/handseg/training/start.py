"""Where a training starts: the weights of another run's checkpoint, or those inside an exported model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from handseg.errors import MissingExtraError, ModelError, TrainingError
from handseg.inference.engines import find_model, open_engine
from handseg.inference.engines.model_file import kind_of
from handseg.nets import EncoderUNet
from handseg.nets.blocks import SegmentationNet, normalised_convolutions
from handseg.nets.foreign import read_weights, unet_of
from handseg.training.checkpoint import load_checkpoint
from handseg.training.module import HandModule

HEADS_BESIDE = ("class_head.", "forearm_head.")  # trained beside a network, which is whole without them
UNLIKELY_FOREARM = -4.0  # log-odds that a model of hands alone is taken to give every pixel of being forearm


@dataclass(frozen=True)
class Start:
    """source: the file that was named. weights: of its network, float32. folded: into its convolutions, where it was
    exported. sessions: what it learned from, as its card says. settled: it was trained with statistics of batch
    normalisation that are kept, so that they belong to what it computes."""

    source: str | Path
    weights: dict[str, Tensor]
    folded: bool
    sessions: tuple[str, ...]
    settled: bool = False

    @classmethod
    def read(cls, source: str | Path) -> Start:
        """The weights of a checkpoint, of a packaged or exported ONNX model, or of a U-Net that other code saved.

        Raises TrainingError when the file is none of them.
        """
        if str(source).endswith(".ckpt"):
            module = load_checkpoint(Path(source))
            settled = module.recipe.network.frozen_decoder_norm
            return cls(source, module.net.state_dict(), folded=False, sessions=module.sessions, settled=settled)
        try:
            path = find_model(source)
            if kind_of(path) == "weights":
                weights = unet_of(read_weights(path), path).state_dict()
                return cls(source, weights, folded=False, sessions=())
            return cls(source, _exported_weights(path), folded=True, sessions=open_engine(path).card.sessions)
        except ModelError as error:
            raise TrainingError(f"{error}; or name the last.ckpt or best.ckpt of a run") from error


def start_from(module: HandModule, start: Start, images: Iterable[Tensor]) -> Literal["network", "encoder"]:
    """Take weights into a module, to tune them further.

    images: batches of training views, uint8 (N, 3, H, W), on which an exported model's batch normalisation, folded
    away when it was exported, is measured anew.
    Returns what was taken: all, or, where the file is of a network with another decoder or more stages, its encoder.
    Raises TrainingError when they are of another network, encoder included.
    """
    weights, folded = start.weights, start.folded
    part: nn.Module = module.net
    taken: Literal["network", "encoder"] = "network"
    state = _with_heads_of(module.net, weights)
    if folded:
        state = _unfold(part, state)
    if not _fits(part, state) and isinstance(module.net, EncoderUNet):
        part, taken = module.net.encoder, "encoder"
        state = _encoder_weights(part, weights)
        if folded:
            state = _unfold(part, state)
    if not _fits(part, state):
        raise TrainingError(
            f"{start.source}: of another network than the recipe {module.recipe.name}; "
            "use a recipe whose [network] table is that model's"
        )
    part.load_state_dict(state)
    if folded:
        _measure_norms(module, part, images)
    elif module.recipe.network.frozen_decoder_norm and isinstance(module.net, EncoderUNet) and not start.settled:
        _settle_norms(module, module.net.decoder, images)
    return taken


def _encoder_weights(encoder: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those of `weights` that belong to a layer of this encoder, which may have fewer stages than theirs."""
    layers = {f"encoder.{name}" for name, _ in encoder.named_modules()}
    return {
        name.removeprefix("encoder."): value for name, value in weights.items() if name.rpartition(".")[0] in layers
    }


def _fits(part: nn.Module, state: dict[str, Tensor]) -> bool:
    own = part.state_dict()
    return own.keys() == state.keys() and all(own[name].shape == value.shape for name, value in state.items())


def _exported_weights(path: Path) -> dict[str, Tensor]:
    """Weights float32 of the network in an ONNX file, by the names they have in torch."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtraError("Starting from an exported model", "export") from error
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # onnx raises protobuf's classes for a file that isn't its own
        raise TrainingError(
            f"{path}: neither a checkpoint nor an ONNX model; name a run's last.ckpt, or what handseg export wrote"
        ) from error
    return {
        tensor.name.removeprefix("net.").removesuffix(".half"): torch.from_numpy(
            numpy_helper.to_array(tensor).astype(np.float32)
        )
        for tensor in graph.initializer
        if tensor.name.startswith("net.")
    }


def _with_heads_of(net: SegmentationNet, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """`weights`, with each head beside `net` that they lack, as it is there, and without those that it lacks."""
    own = {name: value for name, value in net.state_dict().items() if name.startswith(HEADS_BESIDE)}
    theirs = {name: value for name, value in weights.items() if name in own or not name.startswith(HEADS_BESIDE)}
    return {**own, **theirs}


def _unfold(net: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of `net` that folded weights stand for, as far as they are its own: each batch normalisation becomes
    the identity plus the convolution's bias."""
    weights = dict(weights)
    state: dict[str, Tensor] = {}
    for name, _, norm_name, norm in normalised_convolutions(net):
        ones = torch.ones(norm.num_features)
        if f"{name}.bias" not in weights:
            continue
        state[f"{name}.weight"] = weights.pop(f"{name}.weight")
        state[f"{norm_name}.bias"] = weights.pop(f"{name}.bias")
        state[f"{norm_name}.weight"] = ones
        state[f"{norm_name}.running_mean"] = 0 * ones
        state[f"{norm_name}.running_var"] = ones - norm.eps
        state[f"{norm_name}.num_batches_tracked"] = torch.zeros((), dtype=torch.long)
    head = net.state_dict().get("head.bias")
    if head is not None:
        channels = len(head)
        weights = {name: _widen_head(name, value, channels) for name, value in weights.items()}
    return {**state, **weights}


def _widen_head(name: str, value: Tensor, channels: int) -> Tensor:
    """The last layer of hand against the rest as one of background, hand, forearm."""
    if not name.startswith("head.") or len(value) != 1 or channels != 3:
        return value
    nothing = torch.zeros_like(value)
    forearm = nothing + UNLIKELY_FOREARM if name == "head.bias" else nothing
    return torch.cat([nothing, value, forearm])


def _settle_norms(module: HandModule, part: nn.Module, images: Iterable[Tensor]) -> None:
    """Give each batch normalisation of a part of the network the mean of the statistics of many batches.

    Those that a run has kept are of its last ten batches alone, which differ much where the data is a mixture.
    """
    norms = [norm for *_, norm in normalised_convolutions(part)]
    momentum = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
        norm.train()
    with torch.no_grad():
        for batch in images:
            module(batch)
    for norm, own in zip(norms, momentum):
        norm.momentum = own
    module.train()


def _measure_norms(module: HandModule, part: nn.Module, images: Iterable[Tensor]) -> None:
    """Give each batch normalisation of a part of the network the statistics of what it sees.

    Its scale and shift then undo them: the network stays the same function, and is normalised by a batch's own
    statistics when trained further.
    """
    norms = [norm for *_, norm in normalised_convolutions(part)]
    totals: dict[nn.Module, Tensor] = {norm: torch.zeros(3, norm.num_features, dtype=torch.float64) for norm in norms}

    def watch(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        x = inputs[0].double().transpose(0, 1).flatten(1)
        totals[norm] += torch.stack([x.sum(1), (x * x).sum(1), torch.full((len(x),), x.shape[1]).double()])

    handles = [norm.register_forward_pre_hook(watch) for norm in norms]
    module.eval()
    with torch.no_grad():
        for batch in images:
            module(batch)
        for norm in norms:
            total, squares, n = totals[norm]
            mean = total / n
            variance = (squares / n - mean * mean).clamp(min=0)
            norm.bias.add_(mean)
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.running_mean.copy_(mean)  # type: ignore[union-attr]
            norm.running_var.copy_(variance)  # type: ignore[union-attr]
    for handle in handles:
        handle.remove()
    module.train()
