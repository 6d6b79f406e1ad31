"""Hands made unrecognisable: rings, tattoos and prints are blurred, the rest of the video stays as it is.

pip install "handseg[video]"
python examples/privacy.py clip.mp4 out.mp4
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

import handseg
from handseg.draw import blur_hands
from handseg.video import VideoWriter


@click.command()
@click.argument("clip", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--threshold", default=0.2, show_default=True, help="Low: rather too much blurred than too little.")
@click.option("--strength", default=0.04, show_default=True, help="Of the blur, as a share of the longer side.")
def main(clip: Path, output: Path, threshold: float, strength: float) -> None:
    segmenter = handseg.load(threshold=threshold)
    with handseg.live(clip, segmenter) as stream, VideoWriter(output, stream.source.rate, sound=clip) as writer:
        for item in stream:
            image = item.frame.image
            hidden = blur_hands(image, item.result.mask, strength * max(image.shape))
            writer.write(np.ascontiguousarray(hidden), item.frame.time, item.frame.pixel_aspect)


if __name__ == "__main__":
    try:
        main()
    except handseg.HandsegError as error:  # no camera, no such file: one line instead of a traceback
        raise SystemExit(f"error: {error}") from None
