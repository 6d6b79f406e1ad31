"""handseg serve: masks over HTTP."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from handseg.cli import options
from handseg.errors import HandsegError, MissingExtraError
from handseg.masks.labels import LabelPolicy
from handseg.parallel import return_freed_arrays

if TYPE_CHECKING:
    from handseg.inference.segmenter import TestTime


@click.command(name="serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve at; 0.0.0.0 lets everyone in.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: a free one.")
@click.option("--max-megabytes", type=click.IntRange(1), default=20, show_default=True, help="Largest upload.")
@click.option("--max-megapixels", type=click.IntRange(1), default=50, show_default=True, help="Largest image.")
@click.option(
    "--max-waiting",
    type=click.IntRange(0),
    default=8,
    show_default=True,
    help="Requests that may wait; more are refused (503).",
)
@options.model
@options.engine
@options.policy
@options.threshold
@options.threads
@options.device
@options.test_time
@options.second_look
@options.min_area
@options.min_confidence
def command(
    host: str,
    port: int,
    max_megabytes: int,
    max_megapixels: int,
    max_waiting: int,
    model: str,
    engine: str | None,
    policy: LabelPolicy,
    threshold: float | None,
    threads: int | None,
    device: str,
    test_time: TestTime,
    second_look: bool,
    min_area: float,
    min_confidence: float | None,
) -> None:
    """Answer requests for masks over HTTP.

    POST an image to /predict, as the body or as the file of a form, and get its mask; ?output=overlay, cutout, matte,
    heatmap or json for something else. There is no password: a host other than 127.0.0.1 serves whoever reaches the
    port. Ctrl-C stops it.
    """
    from handseg.models import load
    from handseg.service.app import LOOPBACK, Limits, create_app

    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtraError("Serving", "serve") from error

    from handseg.service.protocol import Patience

    return_freed_arrays()
    segmenter = load(
        model,
        engine=engine,
        threads=threads,
        device=device,
        policy=policy,
        threshold=threshold,
        test_time=test_time,
        second_look=second_look,
        min_area=min_area,
        min_confidence=min_confidence,
    )
    limits = Limits(max_megabytes, max_megapixels, max_waiting)
    app = create_app(segmenter, limits, local=host in LOOPBACK)
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)  # before its address is told
    except OSError as error:
        raise HandsegError(
            f"{host}:{port}: can't serve there ({error.strerror or error}); choose another port; 0 takes a free one"
        ) from error
    with listening, suppress(KeyboardInterrupt):  # the usual way to stop
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"model {segmenter.card.name} at http://{shown}:{listening.getsockname()[1]}/", err=True)
        config = uvicorn.Config(
            app,
            http=Patience,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=10,
        )
        uvicorn.Server(config).run(sockets=[listening])
