"""How much memory decoding takes at once: threads wait for each other where their images are large."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from transferkit.data.image_facts import Facts
from transferkit.data.pixels.decoding import Decoding

__all__ = ["MOST_BYTES", "Budget", "decoding_bytes", "shared_budget"]

# Of pixels and encoded bytes in all threads together; one image that takes more is decoded by itself.
MOST_BYTES = 300_000_000


class Budget:
    """Bytes that several threads share. First come, first served, so that no large image waits for ever."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._turn = threading.Lock()
        self._freed = threading.Condition()

    @contextmanager
    def held(self, wanted: int) -> Iterator[None]:
        """Within it, so many bytes are taken; all of them at most."""
        wanted = min(wanted, self._total)
        with self._turn, self._freed:
            self._freed.wait_for(lambda: self._used + wanted <= self._total)
            self._used += wanted
        try:
            yield
        finally:
            with self._freed:
                self._used -= wanted
                self._freed.notify_all()


shared_budget = Budget(MOST_BYTES)


def decoding_bytes(facts: Facts, encoded: int, decoding: Decoding) -> int:
    """What decoding an image takes at its peak, roughly and rather too much.

    Args:
        facts: of its header.
        encoded: size of the file in bytes; it is held twice.
        decoding: a large JPEG is decoded at a fraction of its size.
    """
    pixels = facts.width * facts.height
    if facts.format == "jpeg":
        ratio = min(facts.width / decoding.size[1], facts.height / decoding.size[0]) / 2
        shrink = next((by for by in (8, 4, 2) if ratio >= by and decoding.resize != "pad"), 1)
        # The coefficients of a progressive file are held whole, 16 bits each.
        return 2 * encoded + 6 * pixels // shrink**2 + (6 * pixels if facts.progressive else 0)
    # What is not decoded in the graph is handed on as PNG besides.
    return 2 * encoded + pixels * max(6, facts.bytes_a_pixel)
