"""handseg serve: masks over HTTP."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from handseg.cli import options
from handseg.errors import HandsegError, MissingExtraError


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
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that compute.")
@click.option(
    "--max-seconds", type=click.FloatRange(1), default=30.0, show_default=True, help="What one image may take."
)
@click.option(
    "--max-memory",
    type=click.IntRange(100),
    default=2000,
    show_default=True,
    metavar="MEGABYTES",
    help="What one image may take, beside the model (on Linux).",
)
@click.option(
    "--allow-origin",
    "allow_origins",
    multiple=True,
    metavar="ORIGIN",
    help="Site whose pages may use it, as https://example.org; * for all. Repeat for several.",
)
@click.option(
    "--api-keys",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Ask for one of the keys in this file, one a line. Default: those in HANDSEG_API_KEYS, else none is needed.",
)
@click.option("--access-log", is_flag=True, help="Write a line of JSON a request to the standard output.")
@click.option("--add-model", "others", multiple=True, metavar="MODEL", help="Load this model too. Repeat for several.")
@options.opening()
def command(
    host: str,
    port: int,
    max_megabytes: int,
    max_megapixels: int,
    max_waiting: int,
    workers: int,
    max_seconds: float,
    max_memory: int,
    allow_origins: tuple[str, ...],
    api_keys: Path | None,
    access_log: bool,
    others: tuple[str, ...],
    opening: dict[str, Any],
) -> None:
    """Answer requests for masks over HTTP.

    POST an image to /predict, as the body or as the file of a form, and get its mask; ?output=overlay, cutout, matte,
    heatmap or json for something else; /v1/segment does more. A host other than 127.0.0.1 serves whoever reaches the
    port, unless there are API keys. Ctrl-C stops it, after what it has taken is answered; a second one at once.
    """
    from handseg.models import load
    from handseg.parallel import cores
    from handseg.service.app import create_app
    from handseg.service.guard import LOOPBACK
    from handseg.service.keys import read_keys
    from handseg.service.limits import Limits

    try:
        from handseg.service.server import Server
    except ImportError as error:
        raise MissingExtraError("Serving", "serve") from error

    keys = read_keys(api_keys)
    threads = opening["threads"] or max(1, cores() // workers)
    first, *rest = (load(**{**opening, "model": name, "threads": threads}) for name in (opening["model"], *others))
    app = create_app(
        first,
        Limits(max_megabytes, max_megapixels, max_waiting, workers, max_seconds, max_memory),
        others=rest,
        local=host in LOOPBACK,
        allow_origins=allow_origins,
        keys=keys,
        access_log=access_log,
    )
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
        said = f"model {first.card.name} at http://{shown}:{listening.getsockname()[1]}/"
        Server(app, app.state.line, lambda: click.echo(said, err=True)).run(sockets=[listening])
