"""uvicorn, which ends only when the line is empty."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn

from handseg.service.line import Line
from handseg.service.protocol import Patience

STOP_SECONDS = 20.0  # for what has been accepted; a second Ctrl-C doesn't wait


class Server(uvicorn.Server):
    """When it is told to stop it goes on to listen, so that late requests are refused in words, until those that were
    accepted are answered. started: called when it listens and its workers are there."""

    def __init__(self, app: object, line: Line, started: Callable[[], object] = lambda: None) -> None:
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]
                http=Patience,
                lifespan="on",
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=5,
            )
        )
        self._line, self._tell = line, started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        stopping = asyncio.create_task(self._line.stop(STOP_SECONDS))
        while not (stopping.done() or self.force_exit):
            await asyncio.sleep(0.05)
        stopping.cancel()
        await super().shutdown(sockets)
