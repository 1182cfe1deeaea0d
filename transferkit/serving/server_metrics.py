"""What a server counts, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counts of one server.

    Args:
        waiting: gives the number of images that are in no pass yet.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "transferkit_requests", "Requests answered.", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "transferkit_request_seconds",
            "Seconds from a request to its answer.",
            ["path"],
            registry=registry,
            buckets=_SECONDS,
        )
        self._images = Counter("transferkit_images", "Images that passed the network.", registry=registry)
        self._passes = Histogram(
            "transferkit_batch_images", "Images of one pass.", registry=registry, buckets=_SIZES
        )
        gauge = Gauge("transferkit_waiting_images", "Images that wait for a pass.", registry=registry)
        gauge.set_function(waiting)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """A request was answered; ``path`` is its kind, not what a stranger wrote."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def passed(self, images: int) -> None:
        """A pass through the network ended."""
        self._images.inc(images)
        self._passes.observe(images)

    def text(self) -> bytes:
        """All of it."""
        result: bytes = generate_latest(self._registry)
        return result
