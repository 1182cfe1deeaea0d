"""Writers of TensorFlow 2's summaries that model_fn makes: they live as long as its graph."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from transferkit.private.tensorflow_names import SummaryWriter

__all__ = ["keeping_writers"]


@contextlib.contextmanager
def keeping_writers(kept: list[Any]) -> Iterator[None]:
    """Within it, each ``tf.summary.create_file_writer`` is added to ``kept``.

    A function that writes summaries drops its writer when it returns, and TensorFlow closes what nobody
    holds; in a session's graph it stayed.
    """
    kind: Any = SummaryWriter
    make = kind.__init__

    def keep(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        kept.append(self)

    kind.__init__ = keep
    try:
        yield
    finally:
        kind.__init__ = make
