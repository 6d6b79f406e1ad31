"""Bodies of random shape, and their poses: shoulders and elbows that reach for a point, wrists, fingers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import anny

Rng = np.random.Generator
FINGERS = {i: (f"finger{i}-1", f"finger{i}-2", f"finger{i}-3") for i in range(1, 6)}
# How far each joint of a finger is bent, in degrees, at its most
BEND = {1: (35, 50, 60), 2: (85, 100, 70), 3: (88, 105, 70), 4: (88, 105, 70), 5: (85, 100, 70)}


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
        own = self.model.vertex_bone_indices.numpy(), self.model.vertex_bone_weights.numpy()
        np.add.at(self.weights, (rows, own[0]), own[1])
        self.faces = self.model.faces.numpy()

    def of(self, *names: str) -> np.ndarray:
        """Each vertex's weight on the bones whose names begin so."""
        return self.weights[:, [i for i, b in enumerate(self.bones) if b.startswith(names)]].sum(1)

    def person(self, rng: Rng) -> Person:
        """Of any sex, age from ten years on, and build; at rest."""
        age = rng.choice([rng.uniform(0.45, 0.95), rng.uniform(0.3, 0.45)], p=[0.85, 0.15])
        shape = {k: float(rng.uniform(0.1, 0.9)) for k in ("gender", "muscle", "proportions")}
        shape |= {"height": float(rng.uniform(0.35, 0.65)), "age": float(age), "weight": float(rng.uniform(0.1, 0.9))}
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
        """Of each bone, (bones, 4, 4): from the body at rest to the world."""
        out: list[np.ndarray] = []
        for i, bone in enumerate(self.people.bones):
            own = np.eye(4)
            own[:3, :3] = self.rotation[bone]
            own[:3, 3] = self.heads[i] - self.rotation[bone] @ self.heads[i]
            parent = self.people.parents[i]
            out.append((self.place if parent < 0 else out[parent]) @ own)
        return np.array(out)

    def at(self, bone: str) -> np.ndarray:
        """Where a bone begins in the posed body."""
        return (self.transforms()[self.people.bones.index(bone)] @ np.append(self.head(bone), 1))[:3]

    def posed(self) -> np.ndarray:
        """The vertices in the world, (n, 3), by linear blend skinning."""
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
