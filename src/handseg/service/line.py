"""Who is computed next: requests that have arrived whole wait in a line; and how that ends with the service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

from handseg.service.limits import BUSY, STOPPING, Limits
from handseg.service.metrics import Metrics
from handseg.service.pool import Pool
from handseg.service.work import Answer, Task
from handseg.service.worker import Failure

UPLOAD_SECONDS = 30.0  # after which a request that hasn't arrived whole is given up
GRACE_SECONDS = 0.2  # so that those who have just connected are answered too
RETRY = {"Retry-After": "1"}


def busy(why: str = BUSY) -> HTTPException:
    return HTTPException(503, why, RETRY)


class Line:
    """A place is for a request that has arrived. Once `stop` is called, those that hold one are computed, and what is
    still arriving or comes later gets 503."""

    def __init__(self, pool: Pool, limits: Limits, metrics: Metrics) -> None:
        self.pool, self.most, self._metrics = pool, limits.places, metrics
        self.length = 0
        self.stopping = False
        self._arriving: set[anyio.CancelScope] = set()
        self._placed: set[anyio.CancelScope] = set()

    @property
    def ready(self) -> bool:
        """Whether another request would be taken."""
        return not self.stopping and self.length < self.most and self.pool.alive > 0

    @contextmanager
    def arrival(self) -> Iterator[None]:
        """For as long as a request's body arrives. Raises 408 when that takes too long."""
        if self.stopping:
            raise busy(STOPPING)
        with _held(self._arriving, anyio.move_on_after(UPLOAD_SECONDS)) as scope:
            yield
        if scope.cancelled_caught:
            if self.stopping:
                raise busy(STOPPING)
            raise HTTPException(
                408, f"the image didn't arrive within {UPLOAD_SECONDS:.0f} seconds; send a smaller file"
            )

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Raises 503 where there is none, or where the service ends before it was computed."""
        if self.stopping or self.length >= self.most:
            raise busy(STOPPING if self.stopping else BUSY)
        self.length += 1
        try:
            with _held(self._placed, anyio.CancelScope()) as scope:
                yield
        finally:
            self.length -= 1
        if scope.cancelled_caught:
            raise busy(STOPPING)

    async def compute(self, request: Request, task: Task) -> Answer:
        """When it is one's turn; for who has a place. Raises what went wrong as an HTTPException, and ClientDisconnect
        where nobody waits for the answer any more."""
        start = time.perf_counter()
        async with self.pool.worker() as worker:
            self._metrics.stage("wait", time.perf_counter() - start)
            if await request.is_disconnected():
                raise ClientDisconnect
            answer = await self.pool.ask(worker, task)
        if isinstance(answer, Failure):
            raise HTTPException(answer.status, answer.error)
        for stage, seconds in answer.seconds.items():
            self._metrics.stage(stage, seconds)
        return answer

    async def stop(self, seconds: float) -> None:
        """Take nothing more, and wait until all who have a place are answered, or for so many seconds at most."""
        self.stopping = True
        for scope in list(self._arriving):
            scope.cancel()
        await asyncio.sleep(GRACE_SECONDS)
        with anyio.move_on_after(seconds):
            while self.length:
                await asyncio.sleep(0.05)
        for scope in list(self._placed):
            scope.cancel()


@contextmanager
def _held(scopes: set[anyio.CancelScope], scope: anyio.CancelScope) -> Iterator[anyio.CancelScope]:
    scopes.add(scope)
    try:
        with scope:
            yield scope
    finally:
        scopes.discard(scope)
