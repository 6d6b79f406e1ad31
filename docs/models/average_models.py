"""The mean of the weights of exported models: tuned differently from the same weights, they have their mistakes apart.

    python docs/models/average_models.py mean.onnx first.onnx second.onnx third.onnx

All must be of one network. The rest of the file (card, preprocessing, whose hand it is) is the first's; what they
learned from is named for all.
Source: Wortsman et al., Model soups, ICML 2022.
"""

import json
import sys

import numpy as np
import onnx
from onnx import numpy_helper

CARD = "handseg.card"
BESIDE = "net.class_head.", "net.forearm_head."


def weights(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Those of the network itself, by their names in torch; without the heads trained beside it."""
    named = {tensor.name.removesuffix(".half"): numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return {k: v for k, v in named.items() if k.startswith("net.") and not k.startswith(BESIDE)}


def joint_card(models: list[onnx.ModelProto]) -> dict[str, object]:
    """The first's card, with the sessions that any of them learned from."""
    cards = [json.loads(next(p.value for p in m.metadata_props if p.key == CARD)) for m in models]
    return cards[0] | {"sessions": sorted({name for card in cards for name in card.get("sessions", ())})}


def main(output: str, *sources: str) -> None:
    models = [onnx.load(source) for source in sources]
    members = [weights(model) for model in models]
    for source, member in zip(sources, members):
        if {k: v.shape for k, v in member.items()} != {k: v.shape for k, v in members[0].items()}:
            raise SystemExit(f"{source}: of another network than {sources[0]}; average models of one network")
    for tensor in models[0].graph.initializer:
        name = tensor.name.removesuffix(".half")
        if name in members[0]:
            mean = np.mean([member[name].astype(np.float64) for member in members], axis=0)
            kept = numpy_helper.to_array(tensor).dtype
            tensor.CopyFrom(numpy_helper.from_array(mean.astype(kept), tensor.name))
    onnx.helper.set_model_props(models[0], {CARD: json.dumps(joint_card(models))})
    onnx.save(models[0], output)
    print(f"{output}: the mean of {len(models)} models, {len(members[0])} tensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
