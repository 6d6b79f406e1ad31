"""Where a training starts: the weights of another run's checkpoint, or those inside an exported model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from handseg.engines import find_model
from handseg.errors import MissingExtraError, ModelError, TrainingError
from handseg.nets.blocks import SegmentationNet, normalised_convolutions
from handseg.training.checkpoint import load_checkpoint
from handseg.training.module import HandModule

CLASS_HEAD = "class_head."
UNLIKELY_FOREARM = -4.0  # log-odds that a model of hands alone is taken to give every pixel of being forearm


def start_from(module: HandModule, source: str | Path, images: Iterable[Tensor]) -> None:
    """Take the weights of a checkpoint, or of a packaged or exported ONNX model, into a module, to tune them further.

    images: batches of training views, uint8 (N, 3, H, W), on which an exported model's batch normalisation, folded
    away when it was exported, is measured anew.
    Raises TrainingError when the file is neither, or is of another network.
    """
    if str(source).endswith(".ckpt"):
        weights = load_checkpoint(Path(source)).net.state_dict()
        try:
            module.net.load_state_dict(_with_class_head_of(module.net, weights))
        except RuntimeError as error:
            raise _other_network(module, source) from error
        return
    try:
        weights = _exported_weights(find_model(source))
    except ModelError as error:
        raise TrainingError(f"{error}; or name the last.ckpt or best.ckpt of a run") from error
    try:
        _unfold(module.net, weights)
    except (KeyError, RuntimeError) as error:
        raise _other_network(module, source) from error
    _measure_norms(module, images)


def _other_network(module: HandModule, source: str | Path) -> TrainingError:
    return TrainingError(
        f"{source}: of another network than the recipe {module.recipe.name}; "
        "use a recipe whose [network] table is that model's"
    )


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


def _with_class_head_of(net: SegmentationNet, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """`weights`, with the head of hand classes of `net` where they have none, and without theirs where it has none."""
    own = {name: value for name, value in net.state_dict().items() if name.startswith(CLASS_HEAD)}
    return {**own, **{name: value for name, value in weights.items() if own or not name.startswith(CLASS_HEAD)}}


def _unfold(net: SegmentationNet, weights: dict[str, Tensor]) -> None:
    """Load folded weights: each batch normalisation becomes the identity plus the convolution's bias.

    Raises KeyError or RuntimeError when they are of another network.
    """
    weights = _with_class_head_of(net, weights)
    state: dict[str, Tensor] = {}
    for name, _, norm_name, norm in normalised_convolutions(net):
        ones = torch.ones(norm.num_features)
        state[f"{name}.weight"] = weights.pop(f"{name}.weight")
        state[f"{norm_name}.bias"] = weights.pop(f"{name}.bias")
        state[f"{norm_name}.weight"] = ones
        state[f"{norm_name}.running_mean"] = 0 * ones
        state[f"{norm_name}.running_var"] = ones - norm.eps
        state[f"{norm_name}.num_batches_tracked"] = torch.zeros((), dtype=torch.long)
    channels = net.state_dict()["head.bias"].shape[0]
    state.update({name: _widen_head(name, value, channels) for name, value in weights.items()})
    net.load_state_dict(state)


def _widen_head(name: str, value: Tensor, channels: int) -> Tensor:
    """The last layer of hand against the rest as one of background, hand, forearm."""
    if not name.startswith("head.") or len(value) != 1 or channels != 3:
        return value
    nothing = torch.zeros_like(value)
    forearm = nothing + UNLIKELY_FOREARM if name == "head.bias" else nothing
    return torch.cat([nothing, value, forearm])


def _measure_norms(module: HandModule, images: Iterable[Tensor]) -> None:
    """Give each batch normalisation the statistics of what it sees, and a scale and shift that undo them.

    The network stays the same function, and is normalised by a batch's own statistics when trained further.
    """
    norms = [norm for *_, norm in normalised_convolutions(module.net)]
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
