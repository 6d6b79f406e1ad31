"""Is memory flat? Runs `handseg predict` on a long video, or on folders of images, and watches the process.

    python benchmarks/memory.py video DATA/egohands --minutes 10     # a generated 720p video of these frames
    python benchmarks/memory.py images DATA/utg DATA/yhg … --count 2000

Resident memory (VmRSS) of the process every half second, and its open files; printed are the highest of each quarter of
the time after the first frame was written, and the highest of all (VmHWM). Linux only.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

from handseg.data import read_dataset
from handseg.image import IMAGE_SUFFIXES, resize

SIZE = (720, 1280)
EVERY = 0.5  # seconds


def make_video(path: Path, source: Path, frames: int, rate: int) -> None:
    """Labelled frames that drift across the picture, each for a second."""
    import av

    samples = sorted(read_dataset(source), key=lambda sample: sample.name)[:60]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        for i in range(frames):
            if i % rate == 0:
                scene = resize(samples[i // rate % len(samples)].load_image(), *SIZE)
            frame = av.VideoFrame.from_ndarray(np.roll(scene, 4 * (i % rate), axis=1), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def status(pid: int) -> tuple[float, float, int]:
    """MB resident, MB at the highest, open files."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, highest = (int(lines[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
    return now, highest, len(list(Path(f"/proc/{pid}/fd").iterdir()))


def watch(command: Sequence[str], output: Path) -> None:
    start = time.monotonic()
    process = subprocess.Popen(command)
    seen: list[tuple[float, int]] = []
    highest = 0.0
    while process.poll() is None:
        time.sleep(EVERY)
        try:
            now, highest, files = status(process.pid)
        except (OSError, KeyError):  # it has just ended
            break
        if seen or (output.exists() and any(output.rglob("*.*"))):
            seen.append((now, files))
    if process.wait() != 0:
        raise click.ClickException(f"handseg predict ended with {process.returncode}")
    print(f"{time.monotonic() - start:.0f} s, highest of all {highest:.0f} MB")
    print("| quarter | highest, MB | open files, most |\n| ---: | ---: | ---: |")
    for i, part in enumerate(np.array_split(np.array(seen), 4), 1):
        print(f"| {i} | {part[:, 0].max():.0f} | {part[:, 1].max():.0f} |")


@click.group()
def main() -> None:
    pass


@main.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("--minutes", default=10.0, show_default=True)
@click.option("--rate", default=17, show_default=True, help="Frames a second; 17 for ten minutes make 10,200.")
@click.option("--model", default="default", show_default=True)
@click.option("--save", default="overlay,json", show_default=True)
def video(data: Path, minutes: float, rate: int, model: str, save: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clip, output = Path(folder) / "clip.mp4", Path(folder) / "out"
        make_video(clip, data, round(60 * minutes * rate), rate)
        print(f"{round(60 * minutes * rate)} frames of {SIZE[1]}×{SIZE[0]}")
        command = [
            sys.executable,
            "-m",
            "handseg",
            "predict",
            str(clip),
            "-o",
            str(output),
            "-m",
            model,
            "--save",
            save,
        ]
        watch(command, output)


@main.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True)
@click.option("--count", default=2000, show_default=True)
@click.option("--model", default="default", show_default=True)
def images(data: tuple[Path, ...], count: int, model: str) -> None:
    found = [p for root in data for p in sorted(root.rglob("*")) if p.suffix.lower() in IMAGE_SUFFIXES]
    found = [p for p in found if p.parent.name != "masks"]
    with tempfile.TemporaryDirectory() as folder:
        inputs, output = Path(folder) / "in", Path(folder) / "out"
        inputs.mkdir()
        for i in range(count):
            source = found[i % len(found)].resolve()
            (inputs / f"{i:05d}{source.suffix}").symlink_to(source)
        print(f"{count} images, {len(found)} of them different")
        watch([sys.executable, "-m", "handseg", "predict", str(inputs), "-o", str(output), "-m", model], output)


if __name__ == "__main__":
    main()
