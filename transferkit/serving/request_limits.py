"""What one request may ask of the server, and the refusals that it is answered with."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits", "Refusal"]


@dataclass(frozen=True)
class Limits:
    """How much a request may take.

    Attributes:
        bytes: of its body; images in JSON take a third more than their files.
        pixels: width times height of an image by its header; it is refused before it is decoded.
        instances: images of one request.
        seconds: that a request may take, from its first byte to its answer.
        requests: that are under way at once; those above are answered with 503.
        batch: images that pass through the network at once.
    """

    bytes: int = 32_000_000
    pixels: int = 50_000_000
    instances: int = 256
    seconds: float = 30.0
    requests: int = 128
    batch: int = 32


class Refusal(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        message: says what was received and what was expected, in one line.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message
