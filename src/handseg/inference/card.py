"""ModelCard: everything a model needs to be run and judged, carried inside the model file."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from handseg.errors import ModelError
from handseg.masks.labels import HAND_CLASSES, LABEL_POLICIES, LabelPolicy

METADATA_KEY = "handseg.card"


@dataclass(frozen=True)
class ModelCard:
    """How to feed a model, how to read what it returns, and what it was trained and measured on.

    name, version: of the model.
    size: (height, width) of the network input in pixels; for `fit` only its area counts.
    resize: `fit` keeps the aspect ratio and gives the input about the area of `size`;
        `stretch` resizes to `size` exactly, whatever the aspect ratio.
    stride: height and width are padded to multiples of this.
    mean, std: per RGB channel, in pixel values 0 to 255: input = (pixel − mean) / std. The exported
        graph applies them itself and takes uint8.
    threshold: a pixel is hand where its probability is at least this.
    policies: the label policy of each of the first output channels. hand_classes: of the channels behind them,
        HAND_CLASSES or none.
    training_data: the datasets learned from. sessions: of their labelled recordings, named like `Sample.session`, with
        those of the models that it started from or imitated; none where that isn't known.
    scores: results by protocol. notes: known failures, terms.
    """

    name: str
    size: tuple[int, int]
    resize: Literal["fit", "stretch"] = "fit"
    stride: int = 32
    mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    std: tuple[float, float, float] = (128.0, 128.0, 128.0)
    threshold: float = 0.5
    policies: tuple[LabelPolicy, ...] = ("hand",)
    hand_classes: tuple[str, ...] = ()
    version: str = "0"
    network: str = ""
    training_data: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    scores: dict[str, Any] = field(default_factory=dict)
    notes: str = ""

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    def extended(self, values: dict[str, Any], source: str) -> ModelCard:
        """This card with other values in some fields; checked like `from_json`."""
        return self.from_json(json.dumps({**dataclasses.asdict(self), **values}), source)

    @classmethod
    def from_json(cls, text: str, source: str) -> ModelCard:
        """Parse and check a card; `source` is the file's name for the error message.

        Raises ModelError when it isn't a valid card.
        """
        try:
            values = json.loads(text)
            for key in ("size", "mean", "std", "policies", "hand_classes", "training_data", "sessions"):
                if key in values:
                    values[key] = tuple(values[key])
            card = cls(**values)
            valid = (
                len(card.size) == 2
                and min(card.size) >= 1
                and card.stride >= 1
                and card.resize in ("fit", "stretch")
                and len(card.mean) == len(card.std) == 3
                and 0 < card.threshold < 1
                and len(card.policies) >= 1
                and set(card.policies) <= set(LABEL_POLICIES)
                and card.hand_classes in ((), HAND_CLASSES)
            )
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"{source}: its model card can't be read ({error}); mend it, or export the model anew"
            ) from error
        if not valid:
            raise ModelError(f"{source}: its model card holds invalid values; mend it, or export the model anew")
        return card
