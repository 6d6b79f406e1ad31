"""render_hands.py OUT BACKGROUNDS [--count N] [--first I] [--threads T]: scenes with hands, rendered, labelled exactly.

In an environment of its own, on Python 3.11: pip install bpy==4.2.0 anny==0.6.2 torch==2.13.0 "numpy<2"

People of any age, build and skin tone (Anny, Brégier et al. 2025, arXiv 2511.03589, a model made of MakeHuman's CC0
assets) at a table, seen across it or over their own hands; in front of a camera with hands near the face; whole; and
single arms; under changing light, with sleeves and watches, things on the table and in the hand. BACKGROUNDS: a folder
of photos without hands, seen behind them and printed on things. Writes OUT/images/NAME.jpg, OUT/masks/NAME.png,
OUT/forearms/NAME.png and OUT/index.csv, label policy `hand` (cut at the wrist joint); in `forearms` bare skin from the
elbow to the wrist is 255, of the upper arm 128. Image i depends on i alone. Rendered with Blender's Cycles, on the CPU.
"""

from __future__ import annotations

import argparse
import csv
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np
from PIL import Image, ImageFilter
from rendering.bodies import People, Rng
from rendering.looks import LABELS
from rendering.scenes import SCENES
from rendering.surroundings import SIZE, lights


def prepare(folder: Path, samples: int, threads: int) -> None:
    """An empty scene that is rendered to PNG files in `folder`: image*.png, and for each label how much of a pixel is
    of it."""
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
    for label in LABELS:
        aov = scene.view_layers[0].aovs.add()
        aov.name, aov.type = label, "VALUE"
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    layers, files = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeOutputFile")
    files.base_path = str(folder)
    files.format.file_format = "PNG"
    files.file_slots.clear()
    for slot, output in (("image", "Image"), *((label, label) for label in LABELS)):
        files.file_slots.new(slot)
        tree.links.new(layers.outputs[output], files.inputs[slot])
    for label in LABELS:
        slot = files.file_slots[label]
        slot.use_node_format, slot.save_as_render = False, False
        slot.format.color_mode, slot.format.file_format = "BW", "PNG"


def render(i: int, out: Path, people: People, photos: Sequence[Path], samples: int, threads: int) -> None:
    rng = np.random.default_rng((i, 20))
    while True:
        kind = str(rng.choice(list(SCENES), p=[share for _, share in SCENES.values()]))
        image, hand, forearm = picture(kind, rng, people, photos, samples, threads)
        # Not where the camera came to stand inside somebody or nearly, nor in glaring light.
        if 15 < np.asarray(image).mean() < 215 and (hand >= 128).mean() < 0.5:
            break
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 0.9))))
    image.save(out / "images" / f"{kind}_{i:04d}.jpg", quality=int(rng.integers(80, 96)))
    # A pixel that is in part forearm and in part anything else stays open, as the upper arm does.
    forearm = np.select([hand >= 128, forearm >= 224, forearm >= 32], [0, 255, 128])
    for folder, label in (("forearms", forearm), ("masks", np.where(hand >= 128, 255, 0))):
        Image.fromarray(label.astype(np.uint8)).save(out / folder / f"{kind}_{i:04d}.png")


def picture(
    kind: str, rng: Rng, people: People, photos: Sequence[Path], samples: int, threads: int
) -> tuple[Image.Image, np.ndarray, np.ndarray]:
    """A scene's image, and its labels, 0 to 255."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), samples, threads)
        aim = SCENES[kind][0](rng, people, photos)
        # Behind a face there is mostly a room, not another face.
        behind = min(rng.integers(len(photos), size=3), key=lambda k: "portrait" in str(photos[k]))
        lights(rng, aim, photos[behind])
        bpy.ops.render.render()
        image = Image.open(next(Path(folder).glob("image*.png"))).convert("RGB")
        labels = [np.asarray(Image.open(next(Path(folder).glob(f"{x}*.png"))).convert("L")) for x in LABELS]
    return image, *labels


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
    if not photos:
        parser.error(f"{args.backgrounds}: no images in this folder; name one with photos that show no hands")
    for folder in ("images", "masks", "forearms"):
        (args.out / folder).mkdir(parents=True, exist_ok=True)
    people = People()
    for i in range(args.first, args.first + args.count):
        if not list((args.out / "masks").glob(f"*_{i:04d}.png")):
            render(i, args.out, people, photos, args.samples, args.threads)
            print(f"{i - args.first + 1}/{args.count}", file=sys.stderr, flush=True)
    write_index(args.out)


if __name__ == "__main__":
    main()
