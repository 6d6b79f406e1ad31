from __future__ import annotations

import json

import pytest

from handseg.errors import ModelError
from handseg.inference.card import ModelCard

CARD = ModelCard("m", (224, 384), policies=("hand", "hand+forearm"), training_data=("a",), scores={"x": {"f1": 0.9}})


def test_json_and_back() -> None:
    assert ModelCard.from_json(CARD.to_json(), "m.onnx") == CARD


@pytest.mark.parametrize(
    "change",
    [
        {"size": [1]},
        {"size": [0, 5]},
        {"policies": []},
        {"policies": ["arm"]},
        {"threshold": 1.5},
        {"resize": "crop"},
        {"unknown": 1},
        {"threshold": "high"},
    ],
)
def test_an_invalid_card_names_its_file(change: dict[str, object]) -> None:
    text = json.dumps({**json.loads(CARD.to_json()), **change})
    with pytest.raises(ModelError, match=r"m\.onnx"):
        ModelCard.from_json(text, "m.onnx")


def test_extended_replaces_fields() -> None:
    assert CARD.extended({"version": "2", "training_data": ["b"]}, "card.json").training_data == ("b",)
