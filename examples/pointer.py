"""A touchless pointer: where the finger tip of each hand is, a line a frame, from a camera or a video.

pip install "handseg[video]"
python examples/pointer.py 0

The tip is the point of the hand that is farthest from where the hand comes into the picture; of a hand that lies
wholly inside it, the one farthest from its middle. Lines are JSON: seconds, the hand's track, x and y in [0, 1].
"""

from __future__ import annotations

import json

import click
import numpy as np

import handseg

CALM = 0.5  # share of the newest position: less trembles less and lags more


def finger_tip(region: np.ndarray) -> tuple[float, float]:
    """(x, y) in pixels of the tip of a hand; region: bool H×W."""
    height, width = region.shape
    rows, columns = np.nonzero(region)
    on_border = (rows < 2) | (columns < 2) | (rows >= height - 2) | (columns >= width - 2)
    start = on_border if on_border.any() else np.ones_like(on_border)
    away = np.hypot(rows - rows[start].mean(), columns - columns[start].mean())
    # The mean of the farthest pixels is steadier than the farthest one.
    far = away >= away.max() - 0.01 * np.hypot(height, width)
    farthest = int(away.argmax())
    near = far & (np.hypot(rows - rows[farthest], columns - columns[farthest]) < 0.03 * np.hypot(height, width))
    return float(columns[near].mean()), float(rows[near].mean())


@click.command()
@click.argument("source", default="0")
@click.option("--frames", type=int, help="Stop after this many.")
def main(source: str, frames: int | None) -> None:
    tips: dict[int, np.ndarray] = {}
    with handseg.live(source) as stream:
        for item in stream:
            height, width = item.result.mask.shape
            for i, track in enumerate(item.tracks):
                tip = np.array(finger_tip(item.result.regions == i + 1)) / (width, height)
                tips[track.id] = CALM * tip + (1 - CALM) * tips.get(track.id, tip)
                x, y = tips[track.id].round(4).tolist()
                line = {"seconds": round(item.frame.time, 3), "track": track.id, "x": x, "y": y}
                click.echo(json.dumps(line))
            tips = {track.id: tips[track.id] for track in item.tracks}
            if item.frame.index + 1 == frames:
                break


if __name__ == "__main__":
    try:
        main()
    except handseg.HandsegError as error:  # no camera, no such file: one line instead of a traceback
        raise SystemExit(f"error: {error}") from None
