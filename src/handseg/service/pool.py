"""The workers, of which one is handed out to whoever computes; those that end are replaced."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from handseg.errors import HandsegError
from handseg.inference.segmenter import Segmenter
from handseg.service.limits import Limits
from handseg.service.work import Answer, Task
from handseg.service.worker import Failure, Worker

WATCH_SECONDS = 0.5
RETRY_SECONDS = 2.0  # before another try, where a worker doesn't start
log = logging.getLogger("handseg.service")


class Pool:
    """`limits.workers` processes, with the same models each. Enter it before use; leaving it ends them."""

    def __init__(self, segmenters: Mapping[str, Segmenter], limits: Limits) -> None:
        self._segmenters, self._limits = segmenters, limits
        self._workers: set[Worker] = set()
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._busy: set[Worker] = set()
        self._background: set[asyncio.Task[None]] = set()
        # Each worker has a thread that waits for it, and a new one in its place may need another for a moment.
        self._threads = ThreadPoolExecutor(2 * limits.workers, "handseg worker")
        self.restarts = 0

    async def __aenter__(self) -> Pool:
        await asyncio.gather(*(self._start() for _ in range(self._limits.workers)))
        watching = asyncio.create_task(self._watch())
        self._background.add(watching)
        return self

    async def __aexit__(self, *_: object) -> None:
        for starting in list(self._background):
            starting.cancel()
        for worker in list(self._workers):
            await asyncio.to_thread(worker.close)
        self._threads.shutdown(wait=False)

    @property
    def alive(self) -> int:
        """How many workers can compute, or do."""
        return sum(not worker.has_ended() for worker in self._workers)

    @property
    def resident_bytes(self) -> int:
        return sum(worker.resident_bytes for worker in self._workers)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        """One that is free, as soon as there is one."""
        worker = await self._idle.get()
        while worker not in self._workers or worker.has_ended():  # something ended it while it was idle
            self._replace(worker)
            worker = await self._idle.get()
        self._busy.add(worker)
        try:
            yield worker
        finally:
            self._busy.discard(worker)
            if worker.has_ended():
                self._replace(worker)
            else:
                self._idle.put_nowait(worker)

    async def ask(self, worker: Worker, task: Task) -> Answer | Failure:
        answer = await worker.ask(task, self._threads)
        if isinstance(answer, Failure) and answer.fatal:
            await asyncio.to_thread(worker.wait)
        return answer

    async def _watch(self) -> None:
        """Replace those that end while they are idle, so that the service is ready again without a request."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for worker in self._workers - self._busy:
                if worker.has_ended():
                    self._replace(worker)

    def _replace(self, worker: Worker) -> None:
        if worker not in self._workers:  # it has been
            return
        self.restarts += 1
        self._workers.discard(worker)
        starting = asyncio.create_task(self._start_anew(worker))
        self._background.add(starting)
        starting.add_done_callback(self._background.discard)

    async def _start_anew(self, ended: Worker) -> None:
        await asyncio.to_thread(ended.close)
        while True:
            try:
                await self._start()
                return
            except (HandsegError, OSError) as error:
                log.error("%s", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _start(self) -> None:
        worker = Worker(self._segmenters, self._limits)
        await asyncio.to_thread(worker.start)
        self._workers.add(worker)
        self._idle.put_nowait(worker)
