"""What a service allows its clients."""

from __future__ import annotations

from dataclasses import dataclass

MEGA = 1_000_000
BUSY = "too many requests are waiting; try again later"
STOPPING = "the service is being stopped; try again later"


@dataclass(frozen=True)
class Limits:
    """megabytes: of a request's body. megapixels: of an image in it. waiting: how many requests that have arrived may
    wait for those that are computed. More are refused, as are uploads in progress that together hold twice what these
    may, so that memory stays bounded. workers: processes that compute, an image each. seconds: that an image may take.
    memory_megabytes: that it may take, beside what a worker holds anyway; enforced on Linux."""

    megabytes: int = 20
    megapixels: int = 50
    waiting: int = 8
    workers: int = 1
    seconds: float = 30.0
    memory_megabytes: int = 2000

    @property
    def places(self) -> int:
        """Requests that are computed or wait."""
        return self.workers + self.waiting


DEFAULT = Limits()
