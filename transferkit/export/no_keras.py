"""TensorFlow without Keras, for processes that only answer: importing Keras is a third of TensorFlow's start.

TensorFlow imports Keras, where it is installed, for objects in SavedModels that need it; transferkit
writes none such.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["without_keras"]


@contextmanager
def without_keras() -> Iterator[None]:
    """Imports of TensorFlow inside find no Keras; afterwards it can be imported by its own name again.

    For a process of one's own: ``from tensorflow.keras import …`` would not work in it any more.
    """
    if "keras" in sys.modules or "tensorflow" in sys.modules:
        yield
        return
    sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["keras"]
