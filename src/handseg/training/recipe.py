"""Recipe: a full training configuration, from a TOML file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from torch import nn

from handseg.data.augment import Augmentation
from handseg.errors import TrainingError
from handseg.inference.card import ModelCard
from handseg.masks.labels import HAND_CLASSES
from handseg.nets import EncoderUNet, UNet
from handseg.nets.blocks import SegmentationNet
from handseg.nets.registry import ENCODERS, NETWORKS
from handseg.training.losses import LOSSES, MarginalLoss
from handseg.training.ranges import refuse_out_of_range
from handseg.training.recipe_file import layered, packaged_recipes, parse_settings, recipe_values

__all__ = ["Input", "Loss", "Network", "Optimizer", "Recipe", "Run", "packaged_recipes"]
T = TypeVar("T")
# Settings of [run] that older runs have: which data was drawn how often, which a mixture's file says today.
RETIRED = frozenset({"forearm_share", "extra_share", "background_share", "unlabelled_share"})
LATER = {"later": True}  # a setting that runs begun before don't have; with its default it is left out of `to_dict`


@dataclass(frozen=True)
class Network:
    """architecture: the class in `handseg.nets`, or the name of a registered one, which is made with `options` and has
    none of the other settings but `forearm`. widths: of the encoder (UNet) or decoder (EncoderUNet) stages. narrow: of
    the skip connections (EncoderUNet). encoder: EfficientNet-Lite's version, and stages: of it that are kept; or the
    name of a registered encoder, which is made with `options` (EncoderUNet). pretrained: ImageNet weights
    (EncoderUNet). frozen_norm: keep the statistics that came with them. frozen_decoder_norm: measure the decoder's when
    a run starts from other weights, and then keep them. forearm: tell background, hand and forearm apart, so that the
    model answers both label policies; else hand alone. hand_classes: also tell whose hand it is, own or other, and
    which, left or right (EncoderUNet). forearm_head: width of a head of its own for forearms, which leaves hands as
    they are; 0 for none (EncoderUNet, with forearm)."""

    architecture: str = "EncoderUNet"
    widths: tuple[int, ...] = ()
    narrow: tuple[int, ...] = ()
    encoder: str = "lite0"
    stages: int = 7
    pretrained: bool = False
    frozen_norm: bool = False
    frozen_decoder_norm: bool = field(default=False, metadata=LATER)
    forearm: bool = False
    hand_classes: bool = False
    forearm_head: int = 0
    options: dict[str, Any] = field(default_factory=dict, metadata=LATER)


@dataclass(frozen=True)
class Input:
    """size: (height, width) of a training view. resize, mean, std: see ModelCard. long_side: images are held in
    memory at most this large. run_size: the size that the exported model works at; () for `size`."""

    size: tuple[int, ...] = (256, 256)
    run_size: tuple[int, ...] = ()
    resize: Literal["fit", "stretch"] = "fit"
    mean: tuple[float, ...] = (127.0, 127.0, 127.0)
    std: tuple[float, ...] = (128.0, 128.0, 128.0)
    long_side: int = 640


@dataclass(frozen=True)
class Optimizer:
    """name: adam or adamw (no decay on norms and biases). lr: the highest rate. encoder_lr: factor on the
    encoder's rate. schedule: `plateau` halves on a validation loss that stalls for 5 epochs; `cosine` warms up
    linearly for `warmup` steps, then falls to 0 at the last epoch; `trapezoid` warms up, stays, and falls to 0 along a
    line in the last `cooldown` of the steps, so that a run whose end isn't settled can be ended, or lengthened, at any
    time (Hägele et al., Scaling laws and compute-optimal training beyond fixed training durations, 2024). clip: largest
    gradient norm; 0 for none. only: the part of the network that is trained, all else staying as it is; "" for all."""

    name: Literal["adam", "adamw"] = "adamw"
    lr: float = 1e-3
    encoder_lr: float = 1.0
    weight_decay: float = 0.0
    schedule: Literal["plateau", "cosine", "trapezoid"] = "cosine"
    warmup: int = 0
    cooldown: float = field(default=0.25, metadata=LATER)
    clip: float = 0.0
    only: Literal["", "class_head", "forearm_head"] = ""


@dataclass(frozen=True)
class Run:
    """epochs: at most. draws: images an epoch; 0 for each once. draws_per_image: of each image at most so many of them
    on average, so that few images aren't learned by heart; 0 for no limit. session_power: see `session_weights`; 1
    draws without replacement, where the data isn't a mixture, whose sources have shares. validate_every: epochs.
    early_stopping: validations without a better loss; 0 for never. select: which checkpoint is the result.
    ema: decay of the averaged weights, reached gradually; 0 for none. precision: bf16, 16, 32, or auto."""

    epochs: int = 50
    batch_size: int = 8
    draws: int = 0
    draws_per_image: int = field(default=0, metadata=LATER)
    session_power: float = 1.0
    validate_every: int = 1
    early_stopping: int = 0
    select: Literal["best", "last"] = "best"
    ema: float = 0.0
    precision: Literal["auto", "bf16", "16", "32"] = "auto"
    threshold: float = 0.5

    def draws_of(self, images: int) -> int:
        """How many draws an epoch has, of so many images."""
        draws = self.draws or images
        return min(draws, self.draws_per_image * images) if self.draws_per_image else draws


@dataclass(frozen=True)
class Loss:
    """name: marginal, handseg's own, or that of a registered one, which is made with `options`. alpha: weight of the
    cross-entropy beside Dice. distil: share of the loss that is imitation of a teacher's probabilities, where one is
    given."""

    alpha: float = 0.5
    distil: float = 0.0
    name: str = field(default="marginal", metadata=LATER)
    options: dict[str, Any] = field(default_factory=dict, metadata=LATER)


@dataclass(frozen=True)
class Recipe:
    """name: of the recipe. The rest: its TOML tables. Without an [augment] table images are used as they are."""

    name: str
    network: Network = field(default_factory=Network)
    input: Input = field(default_factory=Input)
    loss: Loss = field(default_factory=Loss)
    optimizer: Optimizer = field(default_factory=Optimizer)
    run: Run = field(default_factory=Run)
    augment: Augmentation | None = None

    @classmethod
    def load(cls, name_or_path: str) -> Recipe:
        """A packaged recipe by name, or a TOML file, which may name another as its `base`.

        Raises TrainingError, naming the file and the key, when it isn't valid.
        """
        return cls.from_dict(recipe_values(name_or_path), name_or_path)

    def changed(self, settings: Iterable[str]) -> Recipe:
        """With other values for single keys, as `run.draws=48`. Raises TrainingError, naming the key."""
        tables = parse_settings(settings)
        return self.from_dict(layered(self.to_dict(), tables), "--set") if tables else self

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str = "recipe") -> Recipe:
        recipe = _build(cls, values, source)
        if len(recipe.input.size) != 2 or len(recipe.input.run_size) not in (0, 2):
            raise TrainingError(f"{source}: [input] sizes are [height, width]")
        refuse_out_of_range(recipe, source)
        named = {"network.architecture": NETWORKS, "network.encoder": ENCODERS, "loss.name": LOSSES}
        for key, registry in named.items():
            table, _, setting = key.partition(".")
            if (name := getattr(getattr(recipe, table), setting)) not in registry.names():
                raise TrainingError(
                    f"{source}: {key}: {name!r}; choose one of {', '.join(registry.names())}; one of your own must be "
                    "registered (docs/extending.md)"
                )
        return recipe

    @classmethod
    def from_run(cls, values: dict[str, Any]) -> Recipe:
        """`from_dict` of what a checkpoint holds, also of one from when there were settings that are RETIRED today."""
        run = {key: value for key, value in values.get("run", {}).items() if key not in RETIRED}
        return cls.from_dict({**values, "run": run})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in TOML; `from_dict` is the inverse."""
        plain = _plain(self)
        return {k: v for k, v in plain.items() if v is not None}

    def build_loss(self) -> nn.Module:
        """The loss of logits (N, 1 or 3, H, W) and sets of classes uint8 (N, H, W), a float32 scalar.

        Raises TrainingError where a registered one can't be made.
        """
        if self.loss.name == "marginal":
            return MarginalLoss(self.loss.alpha)
        try:
            return LOSSES.build(self.loss.name, **self.loss.options)
        except ValueError as error:
            raise TrainingError(f"{self.name}: [loss] {error}") from error

    def build_network(self, *, pretrained: bool | None = None) -> SegmentationNet:
        """The network; `pretrained` overrides the recipe's (False when weights will be loaded anyway).

        Raises TrainingError when the widths don't fit the encoder, or the part that alone is to be trained isn't there.
        """
        n = self.network
        needed = {"class_head": "hand_classes", "forearm_head": "forearm_head"}.get(self.optimizer.only)
        if needed and not getattr(n, needed):
            raise TrainingError(f"{self.name}: [optimizer] only = {self.optimizer.only} needs {needed} in [network]")
        channels = 3 if n.forearm else 1
        if n.architecture == "UNet":
            for option in ("hand_classes", "forearm_head", "options"):
                if getattr(n, option):
                    raise TrainingError(f"{self.name}: [network] {option} needs architecture EncoderUNet")
            return UNet(out_channels=channels, features=n.widths) if n.widths else UNet(out_channels=channels)
        if n.architecture != "EncoderUNet":
            return self._registered_network(channels)
        start = n.pretrained if pretrained is None else pretrained
        shape = {name: value for name in ("widths", "narrow") if (value := getattr(n, name))}
        try:
            return EncoderUNet(
                channels,
                pretrained=start,
                frozen_norm=n.frozen_norm,
                frozen_decoder_norm=n.frozen_decoder_norm,
                encoder=n.encoder,
                stages=n.stages,
                hand_classes=len(HAND_CLASSES) if n.hand_classes else 0,
                forearm_head=n.forearm_head,
                encoder_options=n.options,
                **shape,
            )
        except ValueError as error:
            raise TrainingError(f"{self.name}: [network] {error}") from error

    def _registered_network(self, channels: int) -> SegmentationNet:
        n = self.network
        own = Network(architecture=n.architecture, forearm=n.forearm, options=n.options)
        if others := [f.name for f in dataclasses.fields(n) if getattr(n, f.name) != getattr(own, f.name)]:
            raise TrainingError(
                f"{self.name}: [network] {others[0]} is EncoderUNet's or UNet's; give {n.architecture} what it needs "
                "in [network.options]"
            )
        try:
            net = NETWORKS.build(n.architecture, channels, **n.options)
        except ValueError as error:
            raise TrainingError(f"{self.name}: [network] {error}") from error
        if not isinstance(net, SegmentationNet):
            raise TrainingError(
                f"{self.name}: [network] {n.architecture} must be a handseg.nets.blocks.SegmentationNet, which pads "
                "and crops; derive it from that"
            )
        return net

    def card(self, stride: int, *, training: bool) -> ModelCard:
        """How this recipe's network is fed: while training, or when the model is run."""
        i = self.input
        size = i.size if training or not i.run_size else i.run_size
        return ModelCard(
            name=self.name,
            size=(size[0], size[1]),
            resize=i.resize,
            stride=stride,
            mean=(i.mean[0], i.mean[1], i.mean[2]),
            std=(i.std[0], i.std[1], i.std[2]),
            threshold=self.run.threshold,
            policies=("hand", "hand+forearm") if self.network.forearm else ("hand",),
            hand_classes=HAND_CLASSES if self.network.hand_classes else (),
            network=self.network.architecture,
        )


def _build(cls: type[T], values: dict[str, Any], source: str, table: str = "") -> T:
    """Make a dataclass of TOML values, checking keys and types."""
    hints = get_type_hints(cls)
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        where = f"{source}: {table}{key}"
        if table == "run." and key in RETIRED:
            raise TrainingError(
                f"{where}: is no setting any more; write shares into a mixture's file (docs/training.md)"
            )
        if key not in hints:
            raise TrainingError(f"{where}: unknown; known are {', '.join(sorted(hints))}")
        hint = hints[key]
        if isinstance(hint, UnionType):
            hint = get_args(hint)[0]
        if getattr(hint, "__origin__", None) is dict:
            if not isinstance(value, dict):
                raise TrainingError(f"{where}: must be a table")
            arguments[key] = dict(value)
            continue
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            if not isinstance(value, dict):
                raise TrainingError(f"{where}: must be a table")
            arguments[key] = _build(hint, value, source, f"{table}{key}.")
            continue
        arguments[key] = _checked(hint, value, where)
    if missing := [
        f.name
        for f in dataclasses.fields(cls)  # type: ignore[arg-type]
        if f.name not in arguments and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]:
        raise TrainingError(f"{source}: {table}{missing[0]} is missing")
    return cls(**arguments)


def _checked(hint: Any, value: Any, where: str) -> Any:
    options = get_args(hint)
    if getattr(hint, "__origin__", None) is Literal:
        if value not in options:
            raise TrainingError(f"{where}: {value!r}; choose one of {', '.join(map(str, options))}")
        return value
    if getattr(hint, "__origin__", None) is tuple:
        if not isinstance(value, (list, tuple)):
            raise TrainingError(f"{where}: must be a list")
        return tuple(_checked(options[0], v, where) for v in value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise TrainingError(f"{where}: {value!r} is no {hint.__name__}")
    return value


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        fields = [f for f in dataclasses.fields(value) if not (f.metadata.get("later") and _has_default(value, f))]
        return {f.name: _plain(getattr(value, f.name)) for f in fields}
    return list(value) if isinstance(value, tuple) else value


def _has_default(value: Any, item: dataclasses.Field[Any]) -> bool:
    default = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
    return bool(getattr(value, item.name) == default)
