"""Put people into the scene: skin that knows which of it is hand, clothes, hair, a watch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from rendering.bodies import FINGERS, Person, Rng
from rendering.looks import linear, material, plain_material, skin_material


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


def on_side(person: Person, side: str) -> np.ndarray:
    """bool (n,): the vertices of one half of the body."""
    return np.asarray(np.sign(person.rest[:, 0]) == (1 if side == "L" else -1))


def along_arms(person: Person, hand: np.ndarray) -> np.ndarray:
    """Each vertex's place along its arm: 0 shoulder, .5 elbow, 1 wrist, 2 fingers; −1 what isn't arm."""
    people, rest = person.people, person.rest
    place = np.full(len(rest), -1.0)
    for side in "LR":
        arm = people.of(*(f"{b}.{side}" for b in ("upperarm01", "upperarm02", "lowerarm01", "lowerarm02")))
        s, e, w = (person.head(f"{b}.{side}") for b in ("upperarm01", "lowerarm01", "wrist"))
        upper = (rest - s) @ (e - s) / ((e - s) @ (e - s))
        lower = (rest - e) @ (w - e) / ((w - e) @ (w - e))
        below_elbow = people.of(f"lowerarm01.{side}", f"lowerarm02.{side}", f"wrist.{side}") > 0.5
        position = np.where(below_elbow, 0.5 + lower / 2, np.clip(upper, 0, 1) / 2)
        position = np.where(people.of("finger", "metacarpal") > 0.3, 2.0, position)
        place = np.where((arm + hand > 0.5) & on_side(person, side), position, place)
    return place


def markings(person: Person, hand: np.ndarray, along_arm: np.ndarray) -> dict[str, np.ndarray]:
    """Vertex attributes of the skin, 0 to 1: `hand` and `forearm` are what the labels call so, of the upper arm's skin
    that says half; the others are for its colour."""
    rest, rest_out = person.rest, normals(person.rest, person.people.faces)
    palm, tint, nail = np.zeros(len(rest)), np.zeros(len(rest)), np.zeros(len(rest))
    for side in "LR":
        facing = rest_out @ person.palm(side)[1]
        palm += hand * on_side(person, side) * np.clip(facing * 2, 0, 1)
        for bones in FINGERS.values():
            for bone in bones:
                knuckle = person.head(f"{bone}.{side}")
                tint += np.exp(-(np.linalg.norm(rest - knuckle, axis=1) ** 2) / 0.008**2) * 0.7
            near = np.linalg.norm(rest - person.tail(f"{bones[-1]}.{side}"), axis=1)  # to the tip
            tint += np.exp(-(near**2) / 0.013**2)
            nail += (near < 0.011) * np.clip(-facing * 3 - 1.2, 0, 1)
    edge = (hand - 0.5) * 6 + 0.5  # the cut lies 3 mm past the wrist joint
    forearm = np.where(along_arm >= 0.5, 1.0, np.where(along_arm >= 0, 0.5, 0.0))
    marks = {"hand": edge, "forearm": forearm, "palm": palm, "tint": tint, "nail": nail}
    return {name: x.clip(0, 1) for name, x in marks.items()}


def dress(person: Person, rng: Rng, photos: Sequence[Path], legs: bool = True) -> None:
    """Put a person into the scene: skin, shirt with sleeves of any length, trousers, hair, now and then a watch.

    legs: False leaves them out.
    """
    people, rest, faces = person.people, person.rest, person.people.faces
    vertices = person.posed()
    out = normals(vertices, faces)
    hand = people.of("wrist", "finger", "metacarpal")
    along_arm = along_arms(person, hand)
    below = people.of("upperleg", "lowerleg", "pelvis", "foot", "toe") > 0.5

    def wear(name: str, lift: float | np.ndarray, where: np.ndarray, look: Any, smooth: int = 1) -> None:
        """Cover the vertices `where` at a distance of `lift` metres."""
        shell = vertices + out * np.reshape(lift, (-1, 1))
        mesh(name, *part(shell, faces, where), look, smooth=smooth)

    body = mesh("body", vertices, faces if legs else faces[~below[faces].any(1)], skin_material(rng), smooth=1)
    attributes = body.data.attributes
    for name, value in markings(person, hand, along_arm).items():
        attributes.new(name, "FLOAT", "POINT").data.foreach_set("value", value.astype(np.float32))
    attributes.new("rest", "FLOAT_VECTOR", "POINT").data.foreach_set("vector", rest.astype(np.float32).ravel())

    torso = people.of("spine", "clavicle", "shoulder01", "breast", "root", "pelvis")
    sleeve = rng.choice(
        [rng.uniform(0.02, 0.2), rng.uniform(0.25, 0.5), rng.uniform(0.6, 0.95), rng.uniform(0.95, 1.0)],
        p=[0.15, 0.35, 0.2, 0.3],
    )
    shirt = ((torso > 0.5) & (along_arm < 0)) | ((along_arm >= 0) & (along_arm < sleeve))
    loose = 0.006 + abs(rng.normal(0, 0.006)) + 0.01 * (sleeve < 0.6) * (along_arm > 0.1)
    wear("shirt", loose + np.maximum(wrinkles(rest, rng, 0.004), -0.003), shirt, plain_material(rng, photos, 0.2, 0.1))
    if legs:
        hip, ankle = person.head("upperleg01.L")[2], person.head("foot.L")[2]
        along_leg = (hip - rest[:, 2]) / (hip - ankle)  # 0 hip, .5 knee, 1 ankle
        leg = rng.choice([rng.uniform(0.25, 0.55), rng.uniform(0.9, 1.0)], p=[0.4, 0.6])
        wear("trousers", 0.01, below & (along_leg < leg), plain_material(rng, photos, 0.1, 0.1), smooth=0)
        if rng.random() < 0.6:
            wear("shoes", 0.012, below & (along_leg > 0.97), plain_material(rng, photos, 0.0, 0.5))
    if rng.random() < 0.93:
        scalp, thick, look = hair(person, rng)
        if scalp.sum() > 20:
            wear("hair", thick, scalp, look)
    for side in "LR":
        if rng.random() < 0.2 and sleeve < 0.9:
            place = rng.uniform(0.93, 0.985)
            band = (along_arm > place - 0.03) & (along_arm < place + 0.03) & on_side(person, side)
            if band.sum() > 8:
                wear("watch", 0.004, band, plain_material(rng, photos, 0, 0.8))


def hair(person: Person, rng: Rng) -> tuple[np.ndarray, np.ndarray, Any]:
    """Where it grows, how thick it is, and how it looks."""
    people, rest = person.people, person.rest
    eye, top = person.head("eye.L"), rest[:, 2].max()
    skull = people.of("head", "temporalis", "oculi") + people.of("special", "levator", "orbicularis", "neck03") > 0.5
    line = eye[2] + (top - eye[2]) * rng.uniform(0.35, 0.7)
    back = eye[1] + rng.uniform(0.08, 0.13)
    low = eye[2] - rng.uniform(0.0, 0.16)
    scalp = skull & ((rest[:, 2] > line) | ((rest[:, 1] > back) & (rest[:, 2] > low)))
    thick = rng.uniform(0.004, 0.025) + np.maximum(wrinkles(rest, rng, 0.006), -0.003)
    look, _, bsdf = material("hair")
    colours = [[25, 18, 14], [60, 38, 25], [120, 80, 45], [190, 150, 90], [150, 150, 150]]
    colour = colours[rng.choice(5, p=[0.4, 0.3, 0.12, 0.08, 0.1])]
    bsdf.inputs["Base Color"].default_value = (*linear(np.clip(colour + rng.normal(0, 8, 3), 0, 255)), 1)
    bsdf.inputs["Roughness"].default_value = 0.5
    return scalp, thick, look
