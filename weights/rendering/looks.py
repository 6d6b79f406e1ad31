"""What surfaces look like: skin, cloth, wood, paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from rendering.bodies import Rng

LABELS = ("hand", "forearm")  # what is rendered beside the image, each from the skin's vertex attribute of that name
# sRGB of skin, dark to light
SKIN = np.array(
    [
        [52, 36, 29],
        [82, 58, 45],
        [112, 78, 57],
        [141, 98, 72],
        [168, 121, 91],
        [194, 147, 116],
        [214, 170, 140],
        [228, 188, 162],
        [238, 205, 185],
    ]
)


def linear(rgb: Any) -> np.ndarray:
    """sRGB 0 to 255 → linear 0 to 1."""
    c = np.asarray(rgb, float) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def material(name: str) -> tuple[Any, Any, Any]:
    m = bpy.data.materials.new(name)
    m.use_nodes = True
    nodes = m.node_tree.nodes
    return m, nodes, nodes["Principled BSDF"]


def skin_material(rng: Rng) -> Any:
    """Base tone, paler palms, redder knuckles and tips (vertex attribute `tint`), blotches, fine bumps."""
    m, nodes, bsdf = material("skin")
    link = m.node_tree.links.new
    k = rng.uniform(0, len(SKIN) - 1)
    i = min(int(k), len(SKIN) - 2)
    tone = linear(SKIN[i] + (SKIN[i + 1] - SKIN[i]) * (k - i) + rng.normal(0, 4, 3)).clip(0.005, 1)
    light = linear(SKIN[i] * 0.45 + np.array([225, 175, 150]) * 0.55)
    red = tone * np.array([1.15, 0.72, 0.68])

    def mix(factor: Any, a: Any, b: Any) -> Any:
        node = nodes.new("ShaderNodeMixRGB")
        for socket, value in ((0, factor), (1, a), (2, b)):
            if isinstance(value, (float, tuple)):
                node.inputs[socket].default_value = value
            else:
                link(value, node.inputs[socket])
        return node.outputs[0]

    def scaled(value: Any, factor: float) -> Any:
        node = nodes.new("ShaderNodeMath")
        node.operation = "MULTIPLY"
        link(value, node.inputs[0])
        node.inputs[1].default_value = factor
        return node.outputs[0]

    def rgba(c: np.ndarray) -> tuple[float, ...]:
        return (*(float(x) for x in c.clip(0, 1)), 1.0)

    def attribute(name: str) -> Any:
        node = nodes.new("ShaderNodeAttribute")
        node.attribute_name = name
        return node.outputs["Fac"]

    def noise(scale: float, detail: float) -> Any:
        where = nodes.new("ShaderNodeAttribute")
        where.attribute_name = "rest"
        node = nodes.new("ShaderNodeTexNoise")
        node.inputs["Scale"].default_value = scale
        node.inputs["Detail"].default_value = detail
        link(where.outputs["Vector"], node.inputs["Vector"])
        return node.outputs["Fac"]

    colour = mix(scaled(attribute("tint"), float(rng.uniform(0.2, 0.9))), rgba(tone), rgba(red))
    colour = mix(scaled(attribute("palm"), float(rng.uniform(0.3, 0.8))), colour, rgba(light))
    colour = mix(
        scaled(noise(float(rng.uniform(15, 60)), 3), float(rng.uniform(0.1, 0.5))),
        colour,
        rgba(tone * rng.uniform(0.65, 0.95)),
    )
    colour = mix(
        scaled(noise(float(rng.uniform(150, 400)), 4), float(rng.uniform(0.0, 0.3))), colour, rgba(tone * 1.25)
    )
    colour = mix(scaled(attribute("nail"), 0.7), colour, rgba(light * np.array([1.1, 0.9, 0.9])))
    link(colour, bsdf.inputs["Base Color"])
    bump = nodes.new("ShaderNodeBump")
    bump.inputs["Strength"].default_value = float(rng.uniform(0.1, 0.5))
    bump.inputs["Distance"].default_value = 0.002
    link(noise(float(rng.uniform(120, 350)), 5), bump.inputs["Height"])
    link(bump.outputs["Normal"], bsdf.inputs["Normal"])
    bsdf.inputs["Roughness"].default_value = float(rng.uniform(0.35, 0.7))
    bsdf.inputs["Subsurface Weight"].default_value = 0.12
    bsdf.inputs["Subsurface Radius"].default_value = (0.01, 0.004, 0.002)
    for label in LABELS:
        aov = nodes.new("ShaderNodeOutputAOV")
        aov.aov_name = label
        link(attribute(label), aov.inputs["Value"])
    return m


def any_colour(rng: Rng) -> np.ndarray:
    """A colour of cloth, wood, paper: now and then as skin has it."""
    kind = rng.choice(4, p=[0.4, 0.25, 0.2, 0.15])
    if kind == 0:
        return np.asarray(rng.uniform(0, 255, 3))
    if kind == 1:
        return np.asarray(np.clip(rng.uniform(5, 245) + rng.normal(0, 8, 3), 0, 255))
    if kind == 2:
        return np.clip(SKIN[rng.integers(3, len(SKIN))] + rng.normal(0, 15, 3), 0, 255)
    return np.clip(np.array([150, 100, 60]) * rng.uniform(0.4, 1.5) + rng.normal(0, 10, 3), 0, 255)


def plain_material(rng: Rng, photos: Sequence[Path], photo: float, shiny: float = 0.3) -> Any:
    """One colour, two in a noise or in checks, or (with probability `photo`) a piece of a photo."""
    m, nodes, bsdf = material("plain")
    link = m.node_tree.links.new
    a, b = ((*linear(any_colour(rng)), 1.0) for _ in range(2))
    bsdf.inputs["Base Color"].default_value = a
    bsdf.inputs["Roughness"].default_value = float(
        rng.uniform(0.2, 1.0) if rng.random() < shiny else rng.uniform(0.6, 1)
    )
    where = nodes.new("ShaderNodeTexCoord")
    if rng.random() < photo:
        node = nodes.new("ShaderNodeTexImage")
        node.image = bpy.data.images.load(str(photos[rng.integers(len(photos))]))
        node.projection = "BOX"
        scale = nodes.new("ShaderNodeMapping")
        scale.inputs["Scale"].default_value = [float(rng.uniform(0.7, 3))] * 3
        link(where.outputs["Generated"], scale.inputs["Vector"])
        link(scale.outputs["Vector"], node.inputs["Vector"])
        link(node.outputs["Color"], bsdf.inputs["Base Color"])
    elif rng.random() < 0.6:
        kind = rng.choice(
            ["ShaderNodeTexNoise", "ShaderNodeTexChecker", "ShaderNodeTexWave", "ShaderNodeTexBrick"],
            p=[0.5, 0.15, 0.25, 0.1],
        )
        node = nodes.new(str(kind))
        node.inputs["Scale"].default_value = float(np.exp(rng.uniform(np.log(2), np.log(60))))
        if "Distortion" in node.inputs:
            node.inputs["Distortion"].default_value = float(rng.uniform(0, 4))
        link(where.outputs["Object"], node.inputs["Vector"])
        blend = nodes.new("ShaderNodeMixRGB")
        blend.inputs[1].default_value, blend.inputs[2].default_value = a, b
        link(node.outputs["Fac"], blend.inputs[0])
        link(blend.outputs[0], bsdf.inputs["Base Color"])
    return m
