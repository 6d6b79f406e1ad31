"""Hands before another background: a video in, a video out, with its sound.

pip install "handseg[video]"
python examples/background.py clip.mp4 out.mp4 --background beach.jpg
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

import handseg
from handseg.draw import replace_background
from handseg.image import load_image
from handseg.video import VideoWriter

GREEN = np.full((1, 1, 3), (0, 177, 64), np.uint8)


@click.command()
@click.argument("clip", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--background", type=click.Path(path_type=Path), help="A picture; default: green.")
def main(clip: Path, output: Path, background: Path | None) -> None:
    ground = GREEN if background is None else load_image(background)
    with handseg.live(clip) as stream, VideoWriter(output, stream.source.rate, sound=clip) as writer:
        for item in stream:
            # The matte has soft edges: fingers and background mix there as they do in a photograph.
            writer.write(
                replace_background(item.frame.image, item.result.matte, ground),
                item.frame.time,
                item.frame.pixel_aspect,
            )


if __name__ == "__main__":
    try:
        main()
    except handseg.HandsegError as error:  # no camera, no such file: one line instead of a traceback
        raise SystemExit(f"error: {error}") from None
