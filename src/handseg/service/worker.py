"""A process that computes, one image at a time, and can be stopped in the middle of it.

Whatever an image makes Pillow, numpy or the engine do, the service itself goes on: a worker that takes too long is
killed, and one that takes too much memory or crashes ends; `pool` starts another one.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from handseg.errors import HandsegError
from handseg.inference.segmenter import Segmenter
from handseg.parallel import return_freed_arrays
from handseg.service.limits import MEGA, Limits
from handseg.service.work import Answer, Task, do

START_SECONDS = 120.0
SHORT_OF_MEMORY = ("memory", "bad_alloc", "error -4")  # as numpy, onnxruntime, C++ and zlib call it
CONTEXT = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang


@dataclass(frozen=True)
class Failure:
    """What went wrong, as an HTTP status and in words. fatal: the worker ends after it."""

    status: int
    error: str
    fatal: bool = False


class Worker:
    """The service's end of one; `start` in a thread, it waits until the models are open."""

    def __init__(self, segmenters: Mapping[str, Segmenter], limits: Limits) -> None:
        self._limits = limits
        self._connection, theirs = CONTEXT.Pipe()
        self._process = CONTEXT.Process(
            target=work, args=(theirs, dict(segmenters), limits.memory_megabytes), daemon=True, name="handseg worker"
        )
        self._theirs = theirs

    def start(self) -> None:
        """Raises HandsegError where it doesn't come up."""
        self._process.start()
        self._theirs.close()  # so that the end of the process ends the connection
        try:
            if self._connection.poll(START_SECONDS) and self._connection.recv() == "ready":
                return
        except EOFError:
            pass
        self.kill()
        raise HandsegError("a worker process didn't start; is there enough memory?")

    def has_ended(self) -> bool:
        return not self._process.is_alive()

    @property
    def resident_bytes(self) -> int:
        """0 where the system doesn't tell."""
        try:
            pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        except OSError:
            return 0
        return int(pages) * 4096

    async def ask(self, task: Task, threads: Executor) -> Answer | Failure:
        """Compute it. A failure that is `fatal`, or a cancellation, leaves the worker dead."""
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(threads, self._exchange, task), self._limits.seconds)
        except (TimeoutError, asyncio.TimeoutError):
            self.kill()
            return Failure(504, f"{task.name}: takes more than {self._limits.seconds:g} s; send a smaller one", True)
        except (EOFError, OSError):
            self.kill()
            return Failure(500, f"{task.name}: the process that computed it has ended; send it again", True)
        except asyncio.CancelledError:
            self.kill()
            raise

    def _exchange(self, task: Task) -> Answer | Failure:
        self._connection.send(task)
        answer: Answer | Failure = self._connection.recv()
        return answer

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> None:
        """Until it has ended."""
        self._process.join(5)
        self._process.kill()
        self._process.join()

    def close(self) -> None:
        """Let it end, and wait for that; call `kill` first where it computes."""
        self._connection.close()
        self.wait()
        self._process.close()


def work(connection: Connection, segmenters: Mapping[str, Segmenter], memory_megabytes: int) -> None:
    """What the process runs: answers tasks until the other end closes, or a failure is fatal."""
    for name in (signal.SIGINT, signal.SIGTERM):  # they go to all processes of a terminal or a unit; the service sees
        signal.signal(name, signal.SIG_IGN)  # to the end of this one
    return_freed_arrays()
    limit_memory(memory_megabytes * MEGA)
    connection.send("ready")
    try:
        while True:
            answer = _answer(connection.recv(), segmenters, memory_megabytes)
            connection.send(answer)
            if isinstance(answer, Failure) and answer.fatal:
                return
    except (EOFError, OSError):  # the service has ended
        return


def limit_memory(size: int) -> None:
    """Let this process take so many bytes more than it holds now; asking for more raises MemoryError. Linux only."""
    if sys.platform != "linux":
        return
    import resource

    held = 0
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            held = int(line.split()[1]) * 1024
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = held + size
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if most < 0 else min(wanted, most), most))


def _answer(task: Task, segmenters: Mapping[str, Segmenter], memory_megabytes: int) -> Answer | Failure:
    try:
        return do(task, segmenters)
    except Exception as error:
        if _is_of_memory(error):
            said = f"{task.name}: needs more than {memory_megabytes} megabytes of memory; send a smaller one"
            return Failure(413, said, fatal=True)
        if isinstance(error, HandsegError):
            return Failure(400, str(error))
        return Failure(500, f"{task.name}: an error of the service's own ({type(error).__name__})", fatal=True)


def _is_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, says that memory is short; some do by their words alone."""
    while error is not None:
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in SHORT_OF_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False
