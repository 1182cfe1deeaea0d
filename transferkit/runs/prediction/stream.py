"""Files answered in their order while threads read and decode ahead of the engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from transferkit.runs.prediction.photo_files import refused
from transferkit.runs.prediction.prediction import Prediction

if TYPE_CHECKING:
    from transferkit.data.pixels.decoding import Decoding

__all__ = ["Answers", "stream"]

# From uint8 ``[N, h, w, 3]`` to float32 ``[N, columns]``.
Answers = Callable[[np.ndarray], np.ndarray]
_AT_ONCE = 32  # files that an engine answers at once


def stream(
    paths: Iterator[str],
    decoding: Decoding,
    make: Callable[[np.ndarray], Answers],
    predicted: Callable[[str, np.ndarray], Prediction],
) -> Iterator[Prediction]:
    """Predicts files lazily; one that fails is reported and does not end the rest.

    Args:
        paths: files; only as many as are being worked on are held.
        decoding: how they become pixels.
        make: makes the engine, once, from the first decoded images.
        predicted: from a file and the engine's row for it to its prediction.
    """
    from transferkit.data.reader import read_images

    # What was read ahead, in order: the file, and why it was not even opened.
    order: deque[tuple[str, str | None]] = deque()

    def items() -> Iterator[tuple[None, str]]:
        for path in paths:
            reason = refused(path)
            order.append((path, reason))
            if reason is None:
                yield None, path

    made: Answers | None = None
    asked = 0
    for batch in read_images(items(), decoding, batch_size=_AT_ONCE):
        if made is None and len(batch.indices):
            made = make(batch.images)
        answers = dict(zip(batch.indices.tolist(), made(batch.images) if made else (), strict=True))
        reasons = {one.index: one.reason for one in batch.unreadable}
        for index in range(asked, asked + len(answers) + len(reasons)):
            yield from _turned_away(order)
            path, _ = order.popleft()
            if index in reasons:
                yield Prediction(path, error=reasons[index])
            else:
                yield predicted(path, answers[index])
        asked += len(answers) + len(reasons)
    yield from _turned_away(order)


def _turned_away(order: deque[tuple[str, str | None]]) -> Iterator[Prediction]:
    """The files at the head of the queue that were not opened."""
    while order and order[0][1] is not None:
        yield Prediction(order[0][0], error=order.popleft()[1])
