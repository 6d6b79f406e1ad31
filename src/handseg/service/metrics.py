"""Figures about the service, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Kept per application, so that several in one process don't share them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "handseg_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._latency = Histogram(
            "handseg_request_seconds",
            "From the headers to the answer.",
            ("route",),
            registry=self.registry,
            buckets=SECONDS,
        )
        self._stages = Histogram(
            "handseg_stage_seconds",
            "Of an image: wait for a worker, decode, infer, encode.",
            ("stage",),
            registry=self.registry,
            buckets=SECONDS,
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def stage(self, name: str, seconds: float) -> None:
        self._stages.labels(name).observe(seconds)

    def watch(self, figures: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        """Figures that are asked for when they are read: name → what it is, and how to get it."""
        for name, (meaning, value) in figures.items():
            Gauge(name, meaning, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        return generate_latest(self.registry)
