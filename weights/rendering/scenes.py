"""The kinds of scenes. Each builds one, sets its camera, and returns the point it looks at (world, metres)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rendering.bodies import People, Person, Rng, gesture, turn
from rendering.people import dress
from rendering.surroundings import SIZE, box, camera, table


def nod(rng: Rng, forward: float, aside: float) -> np.ndarray:
    """A random rotation about x and z; standard deviations in radians."""
    return turn(np.array([1.0, 0, 0]), rng.normal(0, forward)) @ turn(np.array([0, 0, 1.0]), rng.normal(0, aside))


def relax(person: Person, rng: Rng) -> None:
    """Small turns of spine and head."""
    for bone in ("spine03", "spine02", "neck01", "neck02"):
        person.rotation[bone] = nod(rng, 0.08, 0.08)
    person.rotation["head"] = nod(rng, 0.2, 0.25)


def pose_hand(person: Person, side: str, rng: Rng, twist: float) -> None:
    """Twist the forearm (radians), bend the wrist a little, and make a gesture."""
    person.twist(side, twist)
    _, out, across = person.palm(side)
    person.rotation[f"wrist.{side}"] = turn(across, rng.normal(0, 0.35)) @ turn(out, rng.normal(0, 0.15))
    curl, spread = gesture(rng)
    person.fingers(side, curl, spread, rng)


def on_table(rng: Rng, sign: int, inner: float, edge: float, depth: float, height: float) -> np.ndarray:
    """A place for a wrist, on the table or little above it, at most `depth` from its edge."""
    across, above = sign * rng.uniform(inner, 0.3), rng.uniform(0.0, abs(depth)) * np.sign(depth)
    return np.array([across, edge + above, height + abs(rng.normal(0.03, 0.07)) + 0.02])


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
    seated = []
    if shown != "other":
        me.rotation["spine05"] = turn(np.array([1.0, 0, 0]), rng.uniform(-0.05, 0.25))  # lean forward
        for side, sign in (("L", 1), ("R", -1)):
            goal = np.array([sign * 0.3, front + 0.25, height - 0.25])  # below the table
            if rng.random() < 0.88:
                goal = on_table(rng, sign, -0.02, front, -0.35, height)
            me.reach(side, goal, rng.normal(0, 0.35))
            pose_hand(me, side, rng, float(rng.normal(0, 0.6)) * sign)
        seated.append(me)
    if shown != "me":
        other = people.person(rng)
        relax(other, rng)
        rise = height - (other.at("upperarm01.L")[2] - rng.uniform(0.3, 0.42))
        other.place[:3, :3] = turn(np.array([0, 0, 1.0]), math.pi + rng.normal(0, 0.15))
        other.place[:3, 3] = (rng.normal(0, 0.1), front - deep - rng.uniform(0.1, 0.25), rise)
        for side, sign in (("L", -1), ("R", 1)):
            goal = np.array([sign * 0.3, front - deep - 0.25, height - 0.25])
            if rng.random() < 0.85:
                goal = on_table(rng, sign, 0, front - deep, 0.35, height)
            elif rng.random() < 0.6:  # to the face
                goal = other.at("head") + np.array(
                    [sign * rng.uniform(0, 0.12), rng.uniform(0.1, 0.22), rng.uniform(-0.12, 0.02)]
                )
            other.reach(side, goal, rng.normal(0, 0.35))
            pose_hand(other, side, rng, float(rng.normal(0, 0.6)) * -sign)
        seated.append(other)
    for person in seated:
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
    tall = float(np.exp(rng.uniform(np.log(0.45), np.log(1.7))))  # metres of the person in the picture, head first
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


Scene = Callable[[Rng, People, Sequence[Path]], np.ndarray]
SCENES: dict[str, tuple[Scene, float]] = {  # and how often each
    "table": (at_table, 0.35),
    "portrait": (portrait, 0.2),
    "standing": (standing, 0.25),
    "close": (close_up, 0.2),
}
