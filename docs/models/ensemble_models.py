"""Several exported models in one file: the mean of what each sees in an image, and in its mirror image 4/3 as large.

    python docs/models/ensemble_models.py teacher.onnx first.onnx second.onnx

Too slow for video; as `handseg train --teacher` better than any of its members. Card and preprocessing are the first's;
whose hand it is isn't told.
"""

import json
import sys

import numpy as np
import onnx
from average_models import CARD, joint_card
from onnx import TensorProto, helper, numpy_helper

STRIDE = 32  # of the networks: the sides of their inputs are multiples of it
LARGER = 4, 3


class Builder:
    """The graph to be: nodes in their order, weights and constants."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, onnx.TensorProto] = {}

    def constant(self, *values: int) -> str:
        name = "constant." + ".".join(map(str, values))
        self.tensors[name] = numpy_helper.from_array(np.array(values, np.int64), name)
        return name

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        output = f"{operator}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def part(self, tensor: str, axis: int, start: int, end: int) -> str:
        return self.add("Slice", tensor, *map(self.constant, (start, end, axis)))

    def mirrored(self, tensor: str, axis: int) -> str:
        last, before_first = self.constant(-1), self.constant(np.iinfo(np.int64).min)
        return self.add("Slice", tensor, last, before_first, self.constant(axis), last)

    def resized(self, tensor: str, *shape: str) -> str:
        return self.add("Resize", tensor, "", "", self.add("Concat", *shape, axis=0), mode="linear")

    def run(self, model: onnx.ModelProto, weights: str, nodes: str, image: str) -> str:
        """The probabilities that a model gives. weights, nodes: put before its names; runs of a model share weights."""
        renamed = {"": "", model.graph.input[0].name: image}
        for tensor in model.graph.initializer:
            renamed[tensor.name] = f"{weights}.{tensor.name}"
            self.tensors[renamed[tensor.name]] = copied(tensor, name=renamed[tensor.name])
        for node in model.graph.node:
            renamed |= {name: f"{nodes}.{name}" for name in node.output if name}
            node = copied(node, name="")
            node.input[:], node.output[:] = [renamed[n] for n in node.input], [renamed[n] for n in node.output]
            self.nodes.append(node)
        return renamed[model.graph.output[0].name]


def copied(proto: onnx.NodeProto | onnx.TensorProto, name: str) -> onnx.NodeProto | onnx.TensorProto:
    copy = type(proto)()
    copy.CopyFrom(proto)
    copy.name = name
    return copy


def main(output: str, *sources: str) -> None:
    models = [onnx.load(source) for source in sources]
    build = Builder()
    shape = build.add("Shape", "image")
    count, sides = build.part(shape, 0, 0, 1), build.part(shape, 0, 1, 3)
    larger = build.add("Div", build.add("Mul", sides, build.constant(LARGER[0])), build.constant(LARGER[1] * STRIDE))
    larger = build.add("Max", build.add("Mul", larger, build.constant(STRIDE)), sides)
    mirrored = build.add("Cast", build.mirrored("image", 2), to=TensorProto.FLOAT)
    mirrored = build.add("Round", build.resized(mirrored, count, larger, build.constant(3)))
    mirrored = build.add("Cast", mirrored, to=TensorProto.UINT8)
    seen = []
    for i, model in enumerate(models):
        seen.append(build.part(build.run(model, f"model{i}", f"model{i}.plain", "image"), 1, 0, 2))
        probability = build.part(build.run(model, f"model{i}", f"model{i}.mirrored", mirrored), 1, 0, 2)
        seen.append(build.mirrored(build.resized(probability, count, build.constant(2), sides), 3))
    build.nodes.append(helper.make_node("Mean", seen, ["probability"]))
    graph = helper.make_graph(
        build.nodes,
        "ensemble",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", 2, "h", "w"])],
        list(build.tensors.values()),
    )
    whole = helper.make_model(graph, opset_imports=models[0].opset_import, ir_version=models[0].ir_version)
    card = joint_card(models) | {"name": "ensemble", "hand_classes": []}
    helper.set_model_props(whole, {CARD: json.dumps(card)})
    onnx.checker.check_model(whole)
    onnx.save(whole, output)
    print(f"{output}: {len(models)} models, each in two views")


if __name__ == "__main__":
    main(*sys.argv[1:])
