"""render_hands.py OUT BACKGROUNDS [--count N] [--first I] [--threads T]: scenes with hands, rendered, labelled exactly.

In an environment of its own, on Python 3.11: pip install bpy==4.2.0 anny==0.6.2 torch==2.13.0 "numpy<2"

People of any age, build and skin tone (Anny, Brégier et al. 2025, arXiv 2511.03589, a model made of MakeHuman's CC0
assets) at a table, seen across it or over their own hands; in front of a camera with hands near the face; whole; and
single arms; under changing light, with sleeves and watches, things on the table and in the hand. BACKGROUNDS: a folder
of photos without hands, seen behind them and printed on things. Writes OUT/images/NAME.jpg, OUT/masks/NAME.png and
OUT/index.csv, label policy `hand` (cut at the wrist joint). Image i depends on i alone. Rendered with Blender's Cycles,
on the CPU.
"""

from __future__ import annotations

import argparse
import csv
import logging
import math
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")

import anny  # noqa: E402
import bpy  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from mathutils import Matrix, Vector  # noqa: E402
from PIL import Image, ImageFilter  # noqa: E402

Rng = np.random.Generator
SIZE = 480, 288  # width, height
FINGERS = {1: ("finger1-1", "finger1-2", "finger1-3")} | {
    i: (f"finger{i}-1", f"finger{i}-2", f"finger{i}-3") for i in range(2, 6)
}
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
# How far each joint of a finger is bent, in degrees, at its most
BEND = {1: (35, 50, 60), 2: (85, 100, 70), 3: (88, 105, 70), 4: (88, 105, 70), 5: (85, 100, 70)}


def linear(rgb: Any) -> np.ndarray:
    """sRGB 0 to 255 → linear 0 to 1."""
    c = np.asarray(rgb, float) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def turn(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation by `angle` (radians) about `axis`."""
    axis = axis / np.linalg.norm(axis)
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * k @ k


def align(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The least rotation that takes direction a to b."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    axis = np.cross(a, b)
    if np.linalg.norm(axis) < 1e-8:
        return np.eye(3)
    return turn(axis, math.acos(float(np.clip(a @ b, -1, 1))))


class People:
    """Bodies of random shape and pose."""

    def __init__(self) -> None:
        self.model = anny.create_fullbody_model()
        self.bones = list(self.model.bone_labels)
        self.parents = list(self.model.bone_parents)
        n = len(self.model.template_vertices)
        self.weights = np.zeros((n, len(self.bones)), np.float32)
        rows = np.arange(n)[:, None]
        np.add.at(
            self.weights,
            (rows, self.model.vertex_bone_indices.numpy()),
            self.model.vertex_bone_weights.numpy(),
        )
        self.faces = self.model.faces.numpy()

    def of(self, *names: str) -> np.ndarray:
        """Each vertex's weight on the bones whose names begin so."""
        return self.weights[:, [i for i, b in enumerate(self.bones) if b.startswith(names)]].sum(1)

    def person(self, rng: Rng) -> Person:
        age = rng.choice([rng.uniform(0.45, 0.95), rng.uniform(0.3, 0.45)], p=[0.85, 0.15])
        shape = {k: float(rng.uniform(0.1, 0.9)) for k in ("gender", "muscle", "proportions")}
        shape |= {"height": float(rng.uniform(0.35, 0.65))}
        shape |= {"age": float(age), "weight": float(rng.uniform(0.1, 0.9))}
        with torch.no_grad():
            rest = self.model(
                phenotype_kwargs={k: torch.tensor([v]) for k, v in shape.items()},
                return_bone_ends=True,
            )
        return Person(
            self,
            rest["rest_vertices"][0].numpy().astype(float),
            rest["rest_bone_heads"][0].numpy().astype(float),
            rest["rest_bone_tails"][0].numpy().astype(float),
        )


class Person:
    """One body: joint rotations are set in the axes of the rest pose, then `posed()` skins it."""

    def __init__(self, people: People, vertices: np.ndarray, heads: np.ndarray, tails: np.ndarray) -> None:
        self.people, self.rest, self.heads, self.tails = people, vertices, heads, tails
        self.rotation = {b: np.eye(3) for b in people.bones}
        self.place = np.eye(4)

    def head(self, bone: str) -> np.ndarray:
        return self.heads[self.people.bones.index(bone)]

    def tail(self, bone: str) -> np.ndarray:
        return self.tails[self.people.bones.index(bone)]

    def transforms(self) -> np.ndarray:
        out: list[np.ndarray] = []
        for i, bone in enumerate(self.people.bones):
            own = np.eye(4)
            own[:3, :3] = self.rotation[bone]
            own[:3, 3] = self.heads[i] - self.rotation[bone] @ self.heads[i]
            parent = self.people.parents[i]
            out.append((self.place if parent < 0 else out[parent]) @ own)
        return np.array(out)

    def at(self, bone: str, end: str = "head") -> np.ndarray:
        """Where a bone begins (or ends) in the posed body."""
        point = self.head(bone) if end == "head" else self.tail(bone)
        return (self.transforms()[self.people.bones.index(bone)] @ np.append(point, 1))[:3]

    def posed(self) -> np.ndarray:
        t = np.einsum("vb,bij->vij", self.people.weights, self.transforms())
        return np.einsum("vij,vj->vi", t[:, :3, :3], self.rest) + t[:, :3, 3]

    def reach(self, side: str, target: np.ndarray, swivel: float) -> None:
        """Bend shoulder and elbow so that the wrist comes to `target` (world), or as near as it can."""
        up, low, wrist = f"upperarm01.{side}", f"lowerarm01.{side}", f"wrist.{side}"
        parent = self.transforms()[self.people.parents[self.people.bones.index(up)]]
        goal = (np.linalg.inv(parent) @ np.append(target, 1))[:3]
        s, e, w = self.head(up), self.head(low), self.head(wrist)
        a, b = np.linalg.norm(e - s), np.linalg.norm(w - e)
        way = goal - s
        d = float(np.clip(np.linalg.norm(way), abs(a - b) + 0.02, (a + b) * 0.995))
        way = way / np.linalg.norm(way)
        cos = (a * a + d * d - b * b) / (2 * a * d)
        down = np.array([0.35 if side == "L" else -0.35, 0.25, -1.0])  # elbows hang
        side_way = down - way * (down @ way)
        side_way = turn(way, swivel) @ (side_way / np.linalg.norm(side_way))
        elbow = s + a * (cos * way + math.sqrt(max(0, 1 - cos * cos)) * side_way)
        first = align(e - s, elbow - s)
        second = align(first @ (w - e), s + d * way - elbow)
        self.rotation[up] = first
        self.rotation[low] = first.T @ second @ first

    def twist(self, side: str, angle: float) -> None:
        """Pronate the forearm by `angle`, half of it in each half."""
        axis = self.head(f"wrist.{side}") - self.head(f"lowerarm01.{side}")
        for bone in ("lowerarm01", "lowerarm02"):
            self.rotation[f"{bone}.{side}"] = self.rotation[f"{bone}.{side}"] @ turn(axis, angle / 2)

    def palm(self, side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """At rest: along the hand, out of the palm, and from the little finger's side to the index finger's."""
        wrist = self.head(f"wrist.{side}")
        index, little = self.head(f"finger2-1.{side}"), self.head(f"finger5-1.{side}")
        along = (index + little) / 2 - wrist
        across = index - little
        out = np.cross(along, across) * (1 if side == "L" else -1)
        return along / np.linalg.norm(along), out / np.linalg.norm(out), across / np.linalg.norm(across)

    def fingers(self, side: str, curl: Sequence[float], spread: float, rng: Rng) -> None:
        """curl: of thumb to little finger, 0 straight to 1 closed."""
        _, out, _ = self.palm(side)
        for finger, bones in FINGERS.items():
            for joint, bone in enumerate(bones):
                name = f"{bone}.{side}"
                along = self.tail(name) - self.head(name)
                axis = np.cross(along, out)
                if finger == 1:  # the thumb closes across the palm
                    axis = axis * 0.5 + self.palm(side)[0] * (0.8 if side == "L" else -0.8) * np.linalg.norm(axis)
                bend = math.radians(BEND[finger][joint]) * float(
                    np.clip(curl[finger - 1] + rng.normal(0, 0.06), -0.08, 1)
                )
                turned = turn(axis, bend)
                if joint == 0:
                    fan = math.radians(spread * (3.3 - finger) * 7 + rng.normal(0, 2))
                    turned = turned @ turn(out, fan * (1 if side == "L" else -1))
                self.rotation[name] = turned


def gesture(rng: Rng) -> tuple[list[float], float]:
    """Curls and spread: loose, flat, fist, pointing, victory, pinch, thumb up, grip."""
    kind = rng.choice(9, p=[0.28, 0.16, 0.08, 0.1, 0.06, 0.1, 0.05, 0.12, 0.05])
    u = rng.uniform
    curl = [
        lambda: [u(0, 0.6), *np.clip(u(0.1, 0.6) + rng.normal(0, 0.12, 4), 0, 1)],
        lambda: [u(0, 0.3), *u(-0.05, 0.12, 4)],
        lambda: [u(0.6, 1), *u(0.85, 1, 4)],
        lambda: [u(0.2, 0.9), u(0, 0.15), *u(0.6, 1, 3)],
        lambda: [u(0.6, 1), *u(0, 0.12, 2), *u(0.8, 1, 2)],
        lambda: [u(0.4, 0.8), u(0.4, 0.6), *(u(0.1, 0.7) + rng.normal(0, 0.08, 3))],
        lambda: [u(0, 0.1), *u(0.85, 1, 4)],
        lambda: [u(0.3, 0.7), *(u(0.45, 0.75) + rng.normal(0, 0.06, 4))],
        lambda: [u(0, 0.6), *u(0, 1, 4)],
    ][kind]()
    return [float(c) for c in curl], float(u(-0.1, 1.0) if kind in (1, 4, 8) else u(-0.2, 0.4))


# --- materials ---------------------------------------------------------------------------------------------------


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
    aov = nodes.new("ShaderNodeOutputAOV")
    aov.aov_name = "hand"
    link(attribute("hand"), aov.inputs["Value"])
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


# --- things ------------------------------------------------------------------------------------------------------


def mesh(name: str, vertices: np.ndarray, faces: np.ndarray, look: Any, smooth: int = 0) -> Any:
    data = bpy.data.meshes.new(name)
    data.from_pydata(vertices.tolist(), [], faces.tolist())
    thing = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(thing)
    data.materials.append(look)
    for polygon in data.polygons:
        polygon.use_smooth = True
    if smooth:
        modifier = thing.modifiers.new("subdivision", "SUBSURF")
        modifier.levels = modifier.render_levels = smooth
    return thing


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    n = np.zeros_like(vertices)
    a, b, c, d = (vertices[faces[:, i]] for i in range(4))
    face = np.cross(c - a, d - b)
    for i in range(4):
        np.add.at(n, faces[:, i], face)
    return n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-9)


def part(vertices: np.ndarray, faces: np.ndarray, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The faces all of whose vertices are kept."""
    chosen = faces[keep[faces].all(1)]
    used = np.unique(chosen)
    new = np.full(len(vertices), -1)
    new[used] = np.arange(len(used))
    return vertices[used], new[chosen]


def wrinkles(rest: np.ndarray, rng: Rng, size: float) -> np.ndarray:
    """A smooth random field over the body, for folds in cloth."""
    field = np.zeros(len(rest))
    for _ in range(12):
        field += np.sin(rest @ rng.normal(0, 45, 3) + rng.uniform(0, 6))
    return field / 12**0.5 * size


def dress(person: Person, rng: Rng, photos: Sequence[Path], legs: bool = True) -> None:
    """Put a person into the scene: skin, shirt with sleeves of any length, trousers, hair, now and then a watch."""
    people, rest, vertices = person.people, person.rest, person.posed()
    faces = people.faces
    out = normals(vertices, faces)

    hand = people.of("wrist", "finger", "metacarpal")
    palm, tint, nail = np.zeros(len(rest)), np.zeros(len(rest)), np.zeros(len(rest))
    rest_out = normals(rest, faces)
    along_arm = np.full(len(rest), -1.0)
    for side in "LR":
        _, out_of_palm, _ = person.palm(side)
        mine = people.of(*(f"{b}.{side}" for b in ("wrist", *(f"metacarpal{i}" for i in range(1, 6))))) + sum(
            people.of(f"{b}.{side}") for bones in FINGERS.values() for b in bones
        )
        facing = rest_out @ out_of_palm
        palm += np.clip(mine, 0, 1) * np.clip(facing * 2, 0, 1)
        for bones in FINGERS.values():
            for joint, bone in enumerate(bones):
                knuckle = person.head(f"{bone}.{side}")
                tint += np.exp(-(np.linalg.norm(rest - knuckle, axis=1) ** 2) / 0.008**2) * 0.7
                if joint == 2:
                    tip = person.tail(f"{bone}.{side}")
                    near = np.linalg.norm(rest - tip, axis=1)
                    tint += np.exp(-(near**2) / 0.013**2)
                    nail += (near < 0.011) * np.clip(-facing * 3 - 1.2, 0, 1)
        arm = people.of(*(f"{b}.{side}" for b in ("upperarm01", "upperarm02", "lowerarm01", "lowerarm02")))
        s, e, w = (person.head(f"{b}.{side}") for b in ("upperarm01", "lowerarm01", "wrist"))
        upper = (rest - s) @ (e - s) / ((e - s) @ (e - s))
        lower = (rest - e) @ (w - e) / ((w - e) @ (w - e))
        lower_part = people.of(f"lowerarm01.{side}", f"lowerarm02.{side}", f"wrist.{side}") > 0.5
        position = np.where(lower_part, 0.5 + lower / 2, np.clip(upper, 0, 1) / 2)  # 0 shoulder, .5 elbow, 1 wrist
        position = np.where(people.of("finger", "metacarpal") > 0.3, 2.0, position)
        along_arm = np.where(
            (arm + hand > 0.5) & (np.sign(rest[:, 0]) == (1 if side == "L" else -1)), position, along_arm
        )

    below = people.of("upperleg", "lowerleg", "pelvis", "foot", "toe") > 0.5
    hip, ankle = person.head("upperleg01.L")[2], person.head("foot.L")[2]
    along_leg = (hip - rest[:, 2]) / (hip - ankle)  # 0 hip, .5 knee, 1 ankle
    body = mesh("body", vertices, faces if legs else faces[~below[faces].any(1)], skin_material(rng), smooth=1)
    values = {
        "hand": np.clip((hand - 0.5) * 6 + 0.5, 0, 1),
        "palm": palm.clip(0, 1),
        "tint": tint.clip(0, 1),
        "nail": nail.clip(0, 1),
    }
    for name, value in values.items():
        body.data.attributes.new(name, "FLOAT", "POINT").data.foreach_set("value", value.astype(np.float32))
    body.data.attributes.new("rest", "FLOAT_VECTOR", "POINT").data.foreach_set(
        "vector", rest.astype(np.float32).ravel()
    )

    torso = people.of("spine", "clavicle", "shoulder01", "breast", "root", "pelvis")
    sleeve = rng.choice(
        [rng.uniform(0.02, 0.2), rng.uniform(0.25, 0.5), rng.uniform(0.6, 0.95), rng.uniform(0.95, 1.0)],
        p=[0.15, 0.35, 0.2, 0.3],
    )
    shirt = ((torso > 0.5) & (along_arm < 0)) | ((along_arm >= 0) & (along_arm < sleeve))
    loose = 0.006 + abs(rng.normal(0, 0.006)) + 0.01 * (sleeve < 0.6) * (along_arm > 0.1)
    cloth = vertices + out * (loose + np.maximum(wrinkles(rest, rng, 0.004), -0.003))[:, None]
    mesh("shirt", *part(cloth, faces, shirt), plain_material(rng, photos, 0.2, 0.1), smooth=1)
    if legs:
        leg = rng.choice([rng.uniform(0.25, 0.55), rng.uniform(0.9, 1.0)], p=[0.4, 0.6])
        trousers = below & (along_leg < leg)
        mesh("trousers", *part(vertices + out * 0.01, faces, trousers), plain_material(rng, photos, 0.1, 0.1))
        if rng.random() < 0.6:
            shoes = below & (along_leg > 0.97)
            mesh("shoes", *part(vertices + out * 0.012, faces, shoes), plain_material(rng, photos, 0.0, 0.5), smooth=1)
    if rng.random() < 0.93:
        eye, top = person.head("eye.L"), rest[:, 2].max()
        skull = (
            people.of("head", "temporalis", "oculi") + people.of("special", "levator", "orbicularis", "neck03") > 0.5
        )
        line = eye[2] + (top - eye[2]) * rng.uniform(0.35, 0.7)
        back = eye[1] + rng.uniform(0.08, 0.13)
        low = eye[2] - rng.uniform(0.0, 0.16)
        hair = skull & ((rest[:, 2] > line) | ((rest[:, 1] > back) & (rest[:, 2] > low)))
        thick = rng.uniform(0.004, 0.025) + np.maximum(wrinkles(rest, rng, 0.006), -0.003)
        look, _, bsdf = material("hair")
        colour = [[25, 18, 14], [60, 38, 25], [120, 80, 45], [190, 150, 90], [150, 150, 150]][
            rng.choice(5, p=[0.4, 0.3, 0.12, 0.08, 0.1])
        ]
        bsdf.inputs["Base Color"].default_value = (*linear(np.clip(colour + rng.normal(0, 8, 3), 0, 255)), 1)
        bsdf.inputs["Roughness"].default_value = 0.5
        if hair.sum() > 20:
            mesh("hair", *part(vertices + out * thick[:, None], faces, hair), look, smooth=1)
    for side in "LR":
        if rng.random() < 0.2 and sleeve < 0.9:
            where = rng.uniform(0.93, 0.985)
            band = (
                (along_arm > where - 0.03)
                & (along_arm < where + 0.03)
                & (np.sign(rest[:, 0]) == (1 if side == "L" else -1))
            )
            if band.sum() > 8:
                mesh("watch", *part(vertices + out * 0.004, faces, band), plain_material(rng, photos, 0, 0.8), smooth=1)


def box(rng: Rng, photos: Sequence[Path], where: np.ndarray, size: np.ndarray, photo: float) -> Any:
    """A block, a can or a ball."""
    kind = rng.choice(["block", "can", "ball"], p=[0.7, 0.22, 0.08])
    if kind == "block":
        bpy.ops.mesh.primitive_cube_add(size=1, location=where)
    elif kind == "can":
        bpy.ops.mesh.primitive_cylinder_add(radius=0.5, depth=1, location=where)
    else:
        bpy.ops.mesh.primitive_uv_sphere_add(radius=0.5, location=where)
        size = np.full(3, size.min())
    thing = bpy.context.object
    thing.scale = size
    thing.rotation_euler = (0, 0, rng.uniform(0, 6.3))
    thing.data.materials.append(plain_material(rng, photos, photo, 0.5))
    return thing


def table(rng: Rng, photos: Sequence[Path], height: float, centre: np.ndarray, wide: np.ndarray) -> None:
    bpy.ops.mesh.primitive_cube_add(size=1, location=(*centre[:2], height - 0.02))
    top = bpy.context.object
    top.scale = (*wide, 0.04)
    top.data.materials.append(plain_material(rng, photos, 0.12, 0.4))
    kind = rng.choice(["few", "cards", "blocks", "many"])
    n = {
        "few": rng.integers(0, 4),
        "cards": rng.integers(4, 20),
        "blocks": rng.integers(6, 30),
        "many": rng.integers(5, 15),
    }[kind]
    shared = plain_material(rng, photos, 0.05)
    for _ in range(n):
        x, y = centre[:2] + rng.normal(0, 0.22, 2) * np.array([1, 0.7])
        if kind == "cards":
            size = np.array([0.06, 0.09, 0.001])
        elif kind == "blocks":
            size = np.array([0.025, 0.075, 0.015]) * rng.uniform(0.8, 1.2)
        else:
            size = np.exp(rng.uniform(np.log(0.02), np.log(0.2), 3))
        lift = size[2] / 2 + (rng.integers(0, 6) * size[2] if kind == "blocks" else rng.uniform(0, 0.003))
        thing = box(rng, photos, np.array([x, y, height + lift]), size, 0.6 if kind == "cards" else 0.2)
        if kind == "blocks":
            thing.data.materials[0] = shared


def lights(rng: Rng, target: np.ndarray, photo: Path) -> None:
    """Dim or bright surroundings, one to three lamps; the photo is what the camera sees behind all."""
    scene = bpy.context.scene
    world = bpy.data.worlds.new("world")
    scene.world = world
    world.use_nodes = True
    nodes, link = world.node_tree.nodes, world.node_tree.links.new
    shine = nodes["Background"]
    tint = np.clip(np.array([1, 0.96, 0.9]) ** rng.normal(0, 3) * rng.uniform(0.8, 1.1, 3), 0.2, 2)
    shine.inputs[0].default_value = (*tint, 1)
    strength = float(np.exp(rng.uniform(np.log(0.15), np.log(1.0))))
    shine.inputs[1].default_value = strength
    seen = nodes.new("ShaderNodeBackground")
    seen.inputs[1].default_value = float(np.exp(rng.normal(-0.1, 0.35)))
    picture = nodes.new("ShaderNodeTexImage")
    picture.image = bpy.data.images.load(str(photo))
    place = nodes.new("ShaderNodeTexCoord")
    link(place.outputs["Window"], picture.inputs["Vector"])
    link(picture.outputs["Color"], seen.inputs["Color"])
    path, mix = nodes.new("ShaderNodeLightPath"), nodes.new("ShaderNodeMixShader")
    link(path.outputs["Is Camera Ray"], mix.inputs[0])
    link(shine.outputs[0], mix.inputs[1])
    link(seen.outputs[0], mix.inputs[2])
    link(mix.outputs[0], nodes["World Output"].inputs[0])
    for _ in range(rng.integers(1, 4)):
        data = bpy.data.lights.new("lamp", "AREA")
        data.size = float(np.exp(rng.uniform(np.log(0.1), np.log(1.5))))
        way = rng.normal(0, 1, 3)
        way[2] = abs(way[2]) + 0.3
        way /= np.linalg.norm(way)
        distance = rng.uniform(1, 2.5)
        data.energy = float(distance**2 * np.exp(rng.uniform(np.log(3), np.log(18))))
        data.color = np.clip(np.array([1, 0.93, 0.82]) ** rng.normal(0.3, 1.2), 0.3, 1.5)
        lamp = bpy.data.objects.new("lamp", data)
        lamp.location = target + way * distance
        lamp.rotation_euler = Vector(way).to_track_quat("Z", "Y").to_euler()
        scene.collection.objects.link(lamp)
    scene.view_settings.exposure = float(rng.normal(0.0, 0.4))


def camera(rng: Rng, eye: np.ndarray, target: np.ndarray, angle: float) -> None:
    """angle: horizontal field of view, degrees."""
    data = bpy.data.cameras.new("camera")
    data.angle = math.radians(angle)
    data.clip_start = 0.02
    thing = bpy.data.objects.new("camera", data)
    way = Vector(eye - target)
    thing.matrix_world = (
        Matrix.Translation(Vector(eye))
        @ way.to_track_quat("Z", "Y").to_matrix().to_4x4()
        @ Matrix.Rotation(rng.normal(0, 0.1), 4, "Z")
    )
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.scene.camera = thing


# --- scenes ------------------------------------------------------------------------------------------------------


def relax(person: Person, rng: Rng) -> None:
    """Small turns of spine and head."""
    for bone in ("spine03", "spine02", "neck01", "neck02"):
        person.rotation[bone] = turn(np.array([1.0, 0, 0]), rng.normal(0, 0.08)) @ turn(
            np.array([0, 0, 1.0]), rng.normal(0, 0.08)
        )
    person.rotation["head"] = turn(np.array([1.0, 0, 0]), rng.normal(0, 0.2)) @ turn(
        np.array([0, 0, 1.0]), rng.normal(0, 0.25)
    )


def pose_hand(person: Person, side: str, rng: Rng, twist: float) -> None:
    person.twist(side, twist)
    _, out, across = person.palm(side)
    person.rotation[f"wrist.{side}"] = turn(across, rng.normal(0, 0.35)) @ turn(out, rng.normal(0, 0.15))
    curl, spread = gesture(rng)
    person.fingers(side, curl, spread, rng)


def at_table(rng: Rng, people: People, photos: Sequence[Path]) -> np.ndarray:
    """Somebody's own hands on a table, mostly with another person's across it; now and then but one is there."""
    me = people.person(rng)
    relax(me, rng)
    shoulder = me.at("upperarm01.L")
    height = float(shoulder[2] - rng.uniform(0.3, 0.42))
    front = float(me.at("spine03")[1] - rng.uniform(0.2, 0.3))  # the table's edge; all look along −y
    deep = rng.uniform(0.6, 0.9)
    centre = np.array([0.0, front - deep / 2, height])
    table(rng, photos, height, centre, np.array([rng.uniform(0.8, 1.8), deep]))
    shown = rng.choice(["both", "me", "other"], p=[0.6, 0.2, 0.2])
    if shown != "other":
        lean = turn(np.array([1.0, 0, 0]), rng.uniform(-0.05, 0.25))
        me.rotation["spine05"] = lean
        for side, sign in (("L", 1), ("R", -1)):
            if rng.random() < 0.88:
                goal = np.array(
                    [
                        sign * rng.uniform(-0.02, 0.3),
                        front - rng.uniform(0.0, 0.35),
                        height + abs(rng.normal(0.03, 0.07)) + 0.02,
                    ]
                )
            else:
                goal = np.array([sign * 0.3, front + 0.25, height - 0.25])
            me.reach(side, goal, rng.normal(0, 0.35))
            pose_hand(me, side, rng, float(rng.normal(0, 0.6)) * sign)
        dress_later = [me]
    else:
        dress_later = []
    if shown != "me":
        other = people.person(rng)
        relax(other, rng)
        rise = height - (other.at("upperarm01.L")[2] - rng.uniform(0.3, 0.42))
        other.place = np.eye(4)
        other.place[:3, :3] = turn(np.array([0, 0, 1.0]), math.pi + rng.normal(0, 0.15))
        other.place[:3, 3] = (rng.normal(0, 0.1), front - deep - rng.uniform(0.1, 0.25), rise)
        for side, sign in (("L", -1), ("R", 1)):
            if rng.random() < 0.85:
                goal = np.array(
                    [
                        sign * rng.uniform(0, 0.3),
                        front - deep + rng.uniform(0.0, 0.35),
                        height + abs(rng.normal(0.03, 0.07)) + 0.02,
                    ]
                )
            elif rng.random() < 0.6:  # to the face
                goal = other.at("head") + np.array(
                    [sign * rng.uniform(0, 0.12), rng.uniform(0.1, 0.22), rng.uniform(-0.12, 0.02)]
                )
            else:
                goal = np.array([sign * 0.3, front - deep - 0.25, height - 0.25])
            other.reach(side, goal, rng.normal(0, 0.35))
            pose_hand(other, side, rng, float(rng.normal(0, 0.6)) * (-sign))
        dress_later.append(other)
    for person in dress_later:
        dress(person, rng, photos, legs=False)  # they are under the table
    eye = np.array(
        [rng.normal(0, 0.06), me.at("eye.L")[1] - rng.uniform(0.08, 0.16), me.at("eye.L")[2] + rng.uniform(-0.05, 0.1)]
    )
    aim = np.array([rng.normal(0, 0.1), front - rng.uniform(0.15, deep), height + rng.uniform(-0.05, 0.15)])
    if shown == "other":
        aim = np.array([rng.normal(0, 0.1), front - deep * rng.uniform(0.6, 1), height + rng.uniform(-0.05, 0.2)])
    camera(rng, eye, aim, rng.uniform(50, 85))
    return aim


def portrait(rng: Rng, people: People, photos: Sequence[Path]) -> np.ndarray:
    """Somebody before the camera, hands raised, at the face or hanging."""
    person = people.person(rng)
    relax(person, rng)
    face = person.at("head") + np.array([0, -0.1, 0.03])
    near_face = rng.random() < 0.45
    for side, sign in (("L", 1), ("R", -1)):
        kind = rng.random()
        if near_face and kind < 0.75:
            goal = face + np.array(
                [sign * rng.uniform(-0.03, 0.13), -rng.uniform(0.03, 0.12), -rng.uniform(0.05, 0.22)]
            )
        elif kind < 0.8:
            goal = face + np.array([sign * rng.uniform(0.0, 0.4), -rng.uniform(0.15, 0.45), rng.uniform(-0.4, 0.05)])
        else:
            goal = np.array([sign * 0.25, rng.uniform(-0.2, 0.1), person.at("spine05")[2] - rng.uniform(0, 0.1)])
        person.reach(side, goal, rng.normal(0, 0.3))
        pose_hand(person, side, rng, float(rng.uniform(-1.3, 1.3)))
        if kind < 0.8 and rng.random() < 0.75:  # a raised hand mostly points up
            point_up(person, side, rng)
    dress(person, rng, photos)
    distance = float(np.exp(rng.uniform(np.log(0.4), np.log(1.6))))
    aim = face + np.array([rng.normal(0, 0.12), 0, rng.normal(-0.1, 0.1)]) + np.array([0, -0.1, 0])
    eye = aim + distance * np.array([rng.normal(0, 0.25), -1, rng.normal(0, 0.2)])
    camera(rng, eye, aim, rng.uniform(45, 75))
    return aim


def standing(rng: Rng, people: People, photos: Sequence[Path]) -> np.ndarray:
    """Somebody seen whole or to the knees, one or two hands raised beside the head, the others hanging or akimbo."""
    person = people.person(rng)
    relax(person, rng)
    head, hips = person.at("head"), person.at("spine05")
    for side, sign in (("L", 1), ("R", -1)):
        kind = rng.choice(["up", "akimbo", "down"], p=[0.5, 0.1, 0.4])
        if kind == "up":
            goal = head + np.array([sign * rng.uniform(0.1, 0.4), -rng.uniform(0.1, 0.35), rng.uniform(-0.3, 0.1)])
        elif kind == "akimbo":
            goal = hips + np.array([sign * rng.uniform(0.15, 0.22), rng.uniform(-0.15, 0.05), rng.uniform(-0.05, 0.1)])
        else:
            goal = hips + np.array([sign * rng.uniform(0.2, 0.35), -rng.uniform(0.0, 0.15), -rng.uniform(0.1, 0.25)])
        person.reach(side, goal, rng.normal(0, 0.3))
        pose_hand(person, side, rng, float(rng.uniform(-1.3, 1.3)))
        if kind == "up":
            point_up(person, side, rng)
    dress(person, rng, photos)
    tall = float(
        np.exp(rng.uniform(np.log(0.45), np.log(1.7)))
    )  # metres of the person that fit into the picture, from the head down
    aim = head + np.array([rng.normal(0, 0.1), 0, 0.2 - tall / 2])
    angle = rng.uniform(30, 50)
    distance = (tall + 0.25) / (2 * math.tan(math.radians(angle) / 2)) / (SIZE[1] / SIZE[0])
    eye = aim + distance * np.array([rng.normal(0, 0.2), -1, rng.normal(0, 0.12)])
    camera(rng, eye, aim, angle)
    return aim


def point_up(person: Person, side: str, rng: Rng) -> None:
    """Bend the wrist, by 60° at most, towards fingers up and towards the face."""
    t = person.transforms()[person.people.bones.index(f"lowerarm02.{side}")][:3, :3]
    along, _, _ = person.palm(side)
    want = t.T @ (np.array([rng.normal(0, 0.4), rng.normal(0, 0.4), 1.0]))
    axis = np.cross(along, want)
    angle = math.acos(float(np.clip(along @ want / np.linalg.norm(want), -1, 1)))
    person.rotation[f"wrist.{side}"] = turn(axis, min(angle, math.radians(60))) @ person.rotation[f"wrist.{side}"]


def close_up(rng: Rng, people: People, photos: Sequence[Path]) -> np.ndarray:
    """One or two hands, near: held before the camera, as seen by their owner or by somebody else."""
    person = people.person(rng)
    relax(person, rng)
    shoulder = person.at("upperarm01.R")
    sides = ["R", "L"][:: rng.choice([1, -1])]
    hands = sides if rng.random() < 0.35 else sides[:1]
    for side in "LR":
        sign = 1 if side == "L" else -1
        if side in hands:
            goal = np.array(
                [
                    sign * rng.uniform(-0.05, 0.25),
                    shoulder[1] - rng.uniform(0.25, 0.5),
                    shoulder[2] + rng.uniform(-0.25, 0.25),
                ]
            )
        else:
            goal = np.array([sign * 0.3, 0.1, person.at("spine05")[2] - 0.1])
        person.reach(side, goal, rng.normal(0, 0.5))
        pose_hand(person, side, rng, float(rng.uniform(-1.4, 1.4)))
    dress(person, rng, photos)
    side = hands[0]
    aim = (person.at(f"finger3-1.{side}") + person.at(f"wrist.{side}")) / 2 + rng.normal(0, 0.03, 3)
    if rng.random() < 0.3:
        aim = (person.at(f"lowerarm02.{side}") + aim) / 2
    if rng.random() < 0.6:  # its owner's view
        eye = person.at("eye.L") + np.array(
            [rng.normal(-0.03, 0.08), -rng.uniform(0.06, 0.15), rng.uniform(-0.1, 0.15)]
        )
        eye = aim + (eye - aim) * rng.uniform(0.7, 1.3)
    else:
        way = rng.normal(0, 1, 3) + np.array([0, -0.6, 0.4])
        eye = aim + way / np.linalg.norm(way) * np.exp(rng.uniform(np.log(0.25), np.log(0.9)))
    camera(rng, eye, aim, rng.uniform(40, 65))
    if rng.random() < 0.4:  # something in the hand
        for side in hands:
            where = person.at(f"finger3-1.{side}") + rng.normal(0, 0.02, 3)
            thing = box(rng, photos, where, np.exp(rng.uniform(np.log(0.015), np.log(0.12), 3)), 0.3)
            thing.rotation_euler = rng.uniform(0, 6.3, 3)
    return aim


# --- rendering ---------------------------------------------------------------------------------------------------


def prepare(folder: Path, samples: int, threads: int) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = True
    scene.cycles.denoising_quality, scene.cycles.denoising_prefilter = "FAST", "FAST"
    scene.cycles.max_bounces = 4
    scene.render.use_persistent_data = False
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    scene.render.resolution_percentage = 100
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    scene.view_settings.view_transform = "Standard"
    aov = scene.view_layers[0].aovs.add()
    aov.name, aov.type = "hand", "VALUE"
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    layers, files = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeOutputFile")
    files.base_path = str(folder)
    files.format.file_format = "PNG"
    files.file_slots.clear()
    for slot, output in (("image", "Image"), ("hand", "hand")):
        files.file_slots.new(slot)
        tree.links.new(layers.outputs[output], files.inputs[slot])
    files.file_slots["hand"].use_node_format = False
    files.file_slots["hand"].format.color_mode = "BW"
    files.file_slots["hand"].format.file_format = "PNG"
    files.file_slots["hand"].save_as_render = False


def render(i: int, out: Path, people: People, photos: Sequence[Path], samples: int, threads: int) -> None:
    rng = np.random.default_rng((i, 20))
    while True:
        kind = str(rng.choice(list(SCENES), p=[share for _, share in SCENES.values()]))
        image, mask = picture(kind, rng, people, photos, samples, threads)
        # Not where the camera came to stand inside somebody or nearly, nor in glaring light.
        if 15 < np.asarray(image).mean() < 215 and mask.mean() < 0.5:
            break
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 0.9))))
    image.save(out / "images" / f"{kind}_{i:04d}.jpg", quality=int(rng.integers(80, 96)))
    Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(out / "masks" / f"{kind}_{i:04d}.png")


SCENES = {
    "table": (at_table, 0.35),
    "portrait": (portrait, 0.2),
    "standing": (standing, 0.25),
    "close": (close_up, 0.2),
}


def picture(
    kind: str, rng: Rng, people: People, photos: Sequence[Path], samples: int, threads: int
) -> tuple[Image.Image, np.ndarray]:
    """A scene's image and its mask."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), samples, threads)
        aim = SCENES[kind][0](rng, people, photos)
        # Behind a face there is mostly a room, not another face.
        behind = min(rng.integers(len(photos), size=3), key=lambda k: "portrait" in str(photos[k]))
        lights(rng, aim, photos[behind])
        bpy.ops.render.render()
        image = Image.open(next(Path(folder).glob("image*.png"))).convert("RGB")
        mask = np.asarray(Image.open(next(Path(folder).glob("hand*.png"))).convert("L")) >= 128
    return image, mask


def write_index(out: Path) -> None:
    """All that is there, each scene a session: no two show the same people."""
    with (out / "index.csv").open("w", newline="") as file:
        index = csv.writer(file)
        index.writerow(("name", "image", "mask", "video", "session", "policy"))
        for mask in sorted((out / "masks").iterdir()):
            name = mask.stem
            index.writerow((name, f"images/{name}.jpg", f"masks/{mask.name}", name, name, "hand"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("backgrounds", type=Path)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    photos = sorted(p for p in args.backgrounds.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    for folder in ("images", "masks"):
        (args.out / folder).mkdir(parents=True, exist_ok=True)
    people = People()
    for i in range(args.first, args.first + args.count):
        if not list((args.out / "masks").glob(f"*_{i:04d}.png")):
            render(i, args.out, people, photos, args.samples, args.threads)
            print(f"{i - args.first + 1}/{args.count}", file=sys.stderr, flush=True)
    write_index(args.out)


if __name__ == "__main__":
    main()
