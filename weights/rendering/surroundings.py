"""What is around people: a table and things on it, light, the photo behind all, the camera."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector
from rendering.bodies import Rng
from rendering.looks import plain_material

SIZE = 480, 288  # width and height of the picture


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
