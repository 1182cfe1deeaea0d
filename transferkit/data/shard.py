"""A share of the images, drawn by their content."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Shard"]

_DIGITS = 15  # hexadecimal digits of a content hash that decide an image's shard


@dataclass(frozen=True)
class Shard:
    """One of several shares of the images.

    Attributes:
        number: from 1 to ``of``.
        of: how many there are.
    """

    number: int
    of: int

    def has(self, sha256: str) -> bool:
        """Whether an image is in it: by the content, so that the shares stay when files move."""
        return int(sha256[:_DIGITS], 16) % self.of == self.number - 1
