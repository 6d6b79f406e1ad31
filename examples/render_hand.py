"""Renders examples/hand.jpg: a hand on a table, a signed distance field walked by rays. Ours to ship, unlike a photo.

    python examples/render_hand.py hand.jpg [--width 960]

The method is sphere tracing (Hart, 1996) over capsules joined by a smooth minimum.
"""

from __future__ import annotations

import argparse

import numpy as np
from PIL import Image, ImageFilter

Vector = np.ndarray

# A right hand seen from its back, lying on the plane z = 0, fingers towards +y. Joints (x, y, z) and radii, in cm.
FINGERS = (
    (((-3.2, 4.6, 1.5), (-4.0, 8.6, 2.0), (-4.3, 11.0, 1.6), (-4.5, 13.0, 0.95)), (1.0, 0.88, 0.8, 0.66)),
    (((-1.1, 5.2, 1.6), (-1.3, 9.8, 2.3), (-1.4, 12.6, 1.8), (-1.4, 14.7, 0.95)), (1.02, 0.92, 0.82, 0.68)),
    (((1.0, 5.0, 1.55), (1.5, 9.3, 2.2), (1.8, 11.9, 1.7), (1.95, 13.9, 0.92)), (0.98, 0.86, 0.78, 0.64)),
    (((2.9, 4.3, 1.4), (3.9, 7.6, 1.8), (4.4, 9.4, 1.4), (4.8, 11.0, 0.8)), (0.88, 0.75, 0.68, 0.56)),
)
THUMB = (((-2.4, -1.6, 1.3), (-5.0, 1.6, 1.5), (-6.7, 4.0, 1.35), (-7.5, 6.1, 0.95)), (1.5, 1.15, 0.95, 0.75))
KNUCKLES = tuple(joints[0] for joints, _ in FINGERS)
SUN = np.array([-0.5, 0.45, 0.9]) / np.linalg.norm([-0.5, 0.45, 0.9])


def capsule(p: Vector, a: Vector, b: Vector, ra: float, rb: float) -> Vector:
    """Distance to a capsule whose radius goes from ra to rb."""
    axis = b - a
    t = np.clip((p - a) @ axis / (axis @ axis), 0, 1)
    return np.linalg.norm(p - a - t[..., None] * axis, axis=-1) - (ra + (rb - ra) * t)


def smooth_min(a: Vector, b: Vector, k: float) -> Vector:
    h = np.clip(0.5 + 0.5 * (b - a) / k, 0, 1)
    return b + (a - b) * h - k * h * (1 - h)


def chain(p: Vector, joints: tuple, radii: tuple) -> Vector:
    points = np.array(joints)
    distance = capsule(p, points[0], points[1], radii[0], radii[1])
    for i in range(1, len(points) - 1):
        distance = smooth_min(distance, capsule(p, points[i], points[i + 1], radii[i], radii[i + 1]), 0.25)
    return distance


def palm(p: Vector) -> Vector:
    distance = capsule(p, np.array([-1.9, -3.0, 1.6]), np.array(KNUCKLES[0]), 1.7, 1.2)
    for x, joint, radius in ((-0.6, KNUCKLES[1], 1.75), (0.7, KNUCKLES[2], 1.7), (1.9, KNUCKLES[3], 1.6)):
        distance = smooth_min(distance, capsule(p, np.array([x, -3.2, 1.6]), np.array(joint), radius, 1.1), 0.9)
    return distance


def skin(p: Vector) -> Vector:
    distance = palm(p)
    for joints, radii in FINGERS:
        distance = smooth_min(distance, chain(p, joints, radii), 0.4)
    distance = smooth_min(distance, chain(p, *THUMB), 0.9)
    wrist = capsule(p * (1, 1, 1.15), np.array([0, -3, 1.9]), np.array([0.4, -12, 2.5]), 2.2, 2.5)
    return smooth_min(distance, wrist, 1.2)


def sleeve(p: Vector) -> Vector:
    folds = 0.12 * np.sin(2.2 * p[..., 1] + 0.8 * np.sin(p[..., 0]))
    return capsule(p, np.array([0.35, -9.5, 2.6]), np.array([1.4, -30, 3.4]), 3.3, 4.4) + folds


def noise(x: Vector, y: Vector, rng: np.random.Generator, octaves: int = 5) -> Vector:
    """Smooth value noise in about [-1, 1]."""
    total = np.zeros_like(x)
    for octave in range(octaves):
        grid = rng.uniform(-1, 1, (64, 64))
        u, v = x * 2**octave % 63, y * 2**octave % 63
        i, j = u.astype(int), v.astype(int)
        a, b = u - i, v - j
        a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
        top = grid[i, j] * (1 - a) + grid[i + 1, j] * a
        bottom = grid[i, j + 1] * (1 - a) + grid[i + 1, j + 1] * a
        total += (top * (1 - b) + bottom * b) / 2**octave
    return total / 2


def trace(origin: Vector, rays: Vector, far: float, steps: int = 90) -> tuple[Vector, Vector]:
    """Distance along each ray to the hand or sleeve (far where there is none), and the closest relative approach."""
    t = np.full(len(rays), 0.05)
    closest = np.ones(len(rays))
    active = np.arange(len(rays))
    for _ in range(steps):
        p = (origin if origin.ndim == 1 else origin[active]) + t[active, None] * rays[active]
        d = np.minimum(skin(p), sleeve(p)) * 0.8
        closest[active] = np.minimum(closest[active], 7 * d / t[active])
        t[active] += d
        active = active[(d > 2e-3) & (t[active] < far)]
    return np.minimum(t, far), np.clip(closest, 0, 1)


def normal(p: Vector) -> Vector:
    e = 1e-2
    field = [np.minimum(skin(p + s), sleeve(p + s)) - np.minimum(skin(p - s), sleeve(p - s)) for s in np.eye(3) * e]
    n = np.stack(field, -1)
    return n / np.maximum(np.linalg.norm(n, axis=-1, keepdims=True), 1e-9)


def render(width: int, height: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """RGB uint8 H×W×3, and the exact mask uint8 H×W of the hand up to the wrist."""
    rng = np.random.default_rng(seed)
    eye, target = np.array([2.0, -14.0, 38.0]), np.array([0.2, 2.2, 1.0])
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0, 1, 0.35])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    v, u = np.mgrid[0:height, 0:width]
    u, v = (u + 0.5 - width / 2) / height, -(v + 0.5 - height / 2) / height
    rays = (forward + 0.62 * (u[..., None] * right + v[..., None] * up)).reshape(-1, 3)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)

    table = -eye[2] / rays[:, 2]
    t, _ = trace(eye, rays, 90.0)
    solid = t < table
    p = eye + np.where(solid, t, table)[:, None] * rays
    n = np.where(solid[:, None], normal(p), [0, 0, 1])
    on_sleeve = solid & (sleeve(p) < skin(p))
    shadow = trace(p + 0.08 * n, np.broadcast_to(SUN, p.shape).copy(), 30.0, 40)[1]
    ambient = np.clip(0.55 + 0.09 * np.minimum(skin(p + 2.0 * n), sleeve(p + 2.0 * n)) * 4, 0.45, 1)

    grain = noise(p[:, 0] * 0.25 + 40, p[:, 1] * 0.02 + 9, rng) + 0.4 * noise(p[:, 0] * 3 + 80, p[:, 1] * 0.1, rng)
    albedo = np.array([0.40, 0.41, 0.44]) * (1 + 0.35 * grain[:, None])
    cloth = np.array([0.16, 0.24, 0.36]) * (1 + 0.15 * noise(p[:, 0] * 5, p[:, 1] * 5, rng)[:, None])
    mottle = noise(p[:, 0] * 0.8 + 30, p[:, 1] * 0.8 + 30, rng)[:, None]
    pores = noise(p[:, 0] * 6 + 50, p[:, 1] * 6 + 90, rng)[:, None]
    flesh = np.array([0.70, 0.47, 0.35]) * (1 + 0.10 * mottle + 0.05 * pores) - mottle * [0, 0.02, 0.02]
    joints = np.array([j for f, _ in (*FINGERS, THUMB) for j in f[1:3]])
    nearest = np.linalg.norm(p[:, None, :2] - joints[None, :, :2], axis=-1).min(1)
    flesh *= 1 - 0.13 * np.exp(-((nearest / 0.7) ** 2))[:, None] * (0.6 + np.sin(9 * p[:, 1:2]) * 0.4)
    for joints_of, radii in (*FINGERS, THUMB):  # nails
        tip, before = np.array(joints_of[3]), np.array(joints_of[2])
        along = (tip - before) / np.linalg.norm(tip - before)
        d = p - (tip + 0.25 * along)
        reach = d @ along
        across = np.linalg.norm((d - reach[:, None] * along)[:, :2], axis=1)
        nail = (np.abs(reach) < 0.75 * radii[3]) & (across < 0.62 * radii[3]) & (n[:, 2] > 0.4)
        flesh[nail] = flesh[nail] * 0.6 + np.array([0.92, 0.70, 0.64]) * 0.4
    albedo[solid] = flesh[solid]
    albedo[on_sleeve] = cloth[on_sleeve]

    light = np.clip(n @ SUN, 0, 1) * shadow
    half = SUN - rays
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    shine = 0.10 * np.clip((n * half).sum(1), 0, 1) ** 22 * shadow * (solid & ~on_sleeve)
    wrap = np.clip((n @ SUN + 0.35) / 1.35, 0, 1)[:, None] * [0.10, 0.03, 0.02] * (solid & ~on_sleeve)[:, None]
    colour = albedo * (0.42 * ambient[:, None] * [0.9, 0.95, 1.05] + 0.95 * light[:, None] * [1.05, 1, 0.93])
    image = np.clip(colour + shine[:, None] + wrap, 0, 1).reshape(height, width, 3) ** (1 / 1.6)
    image = image + rng.normal(0, 0.012, image.shape)
    mask = (solid & ~on_sleeve & (p[:, 1] > -5.2)).reshape(height, width)
    return (np.clip(image, 0, 1) * 255).astype(np.uint8), np.where(mask, 255, 0).astype(np.uint8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output")
    parser.add_argument("--mask", help="also write the exact mask here")
    parser.add_argument("--width", type=int, default=960)
    arguments = parser.parse_args()
    size = arguments.width, arguments.width * 2 // 3
    pixels, exact = render(*size)
    Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(0.6)).save(arguments.output, quality=88)
    if arguments.mask:
        Image.fromarray(exact).save(arguments.mask)
