"""handseg camera: hands live, in a window, in a file or in a browser."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from handseg.cli import options
from handseg.errors import VideoError

VIEWS = ("overlay", "blur", "cutout", "heatmap", "mask", "camera")


@click.command(name="camera")
@click.option("--device", default="0", show_default=True, help="A camera's number, a stream's URL, or a video file.")
@click.option("--loop", is_flag=True, help="Start a video file again at its end.")
@click.option("--view", type=click.Choice(VIEWS), default="overlay", show_default=True, help="What to show first.")
@click.option("--no-window", is_flag=True, help="For computers without a screen; add -o or --mjpeg.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Record what is shown to this MP4 file.")
@click.option("--overwrite", is_flag=True, help="Record over a file that is there.")
@click.option("--mjpeg", type=click.IntRange(0, 65535), help="Serve to browsers at this port; 0: a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve at; 0.0.0.0 lets everyone in.")
@click.option("--frames", type=click.IntRange(1), help="Stop after this many.")
@click.option("--smooth/--no-smooth", default=True, show_default=True, help="Steady the masks from frame to frame.")
@options.opening(without=("device", "second_look", "min_area", "min_confidence"))
def command(
    device: str,
    loop: bool,
    view: str,
    no_window: bool,
    output: Path | None,
    overwrite: bool,
    mjpeg: int | None,
    host: str,
    frames: int | None,
    smooth: bool,
    opening: dict[str, Any],
) -> None:
    """Show the hands in front of a camera, live: in a window, or in the browser where no window can be opened.

    Keys in the window: v for the next view, s to save the picture here, q to quit. Ctrl-C ends a recording
    properly. A video file as the device stands for a camera: its frames come at their times, late ones are dropped.
    """
    from handseg.models import load
    from handseg.video.live import live
    from handseg.video.mjpeg import MjpegServer
    from handseg.video.window import Window
    from handseg.video.writer import VideoWriter

    if no_window and output is None and mjpeg is None:
        raise click.UsageError("nothing to show it with: beside --no-window give -o FILE or --mjpeg PORT")
    if output is not None and output.exists() and os.path.exists(device) and os.path.samefile(output, device):
        raise VideoError(f"{output}: is the clip that is read; choose another name")
    if output is not None and output.exists() and not overwrite:
        raise VideoError(f"{output}: is there already; choose another name, or add --overwrite")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends a recording as Ctrl-C does
    with ExitStack() as stack:
        window = None
        if not no_window:
            try:
                window = stack.enter_context(Window("handseg"))
            except VideoError as error:
                click.echo(f"{error}", err=True)
                mjpeg = 0 if output is None and mjpeg is None else mjpeg
        segmenter = load(**opening)
        segmenter = segmenter.without_second_look()
        stream = stack.enter_context(live(device, segmenter, smooth=smooth, realtime=True, loop=loop))
        writer = None if output is None else stack.enter_context(VideoWriter(output, stream.source.rate))
        server = None if mjpeg is None else stack.enter_context(MjpegServer(mjpeg, host))
        if server is not None:
            click.echo(f"watch at {server.url}", err=True)
        count, timing = 0, None
        try:
            for item in stream:
                count, timing = count + 1, item.timing
                picture = draw_view(item, view, f"{segmenter.card.name}  {item.timing.rate:.1f} frames/s")
                if writer is not None:
                    writer.write(picture, item.frame.time, item.frame.pixel_aspect)
                if server is not None:
                    server.show(picture)
                key = window.show(picture) if window is not None else ""
                if key == "v":
                    view = VIEWS[(VIEWS.index(view) + 1) % len(VIEWS)]
                elif key == "s":
                    click.echo(f"saved: {save_picture(picture, Path())}", err=True)
                if key == "q" or count == frames:
                    break
        except KeyboardInterrupt:
            pass  # the usual way to stop
    if timing is not None:
        place = f": {output}" if output is not None else ""
        click.echo(f"{count} frames, {timing.rate:.1f} a second, {timing.dropped} dropped{place}", err=True)


def draw_view(item: Any, view: str, text: str) -> Any:
    """The picture of a live item, RGB uint8 H×W×3, with a line of text."""
    from handseg.video.views import VIEWS as DRAWN
    from handseg.video.views import caption

    picture = DRAWN[view](item)
    caption(picture, text)
    return picture


def save_picture(picture: Any, folder: Path) -> Path:
    """Write `handseg_001.png`, or the first such name that is free."""
    from handseg.image import save_png

    number = 1
    while (path := folder / f"handseg_{number:03d}.png").exists():
        number += 1
    save_png(path, picture)
    return path
