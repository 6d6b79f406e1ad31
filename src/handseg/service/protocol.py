"""HTTP connections that end by themselves when nothing comes of them."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0  # from the connection, or the answer before, until a request's headers are there
MOST_CONNECTIONS = 500  # below the 1,024 files that a process may usually open


class Patience(H11Protocol):
    """uvicorn's protocol, which by itself waits for ever for a request that has begun."""

    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.close()
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()

    def _wait(self) -> None:
        """Start the clock, unless it runs, while no request is under way."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._due is None:
            self._due = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _stop(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _give_up(self) -> None:
        self._due = None
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()
