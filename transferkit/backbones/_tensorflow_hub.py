"""The one place that imports TensorFlow Hub, which asks for a package that new environments lack.

``tensorflow_hub`` 0.16.1, the newest release, compares versions with ``pkg_resources.parse_version``.
Setuptools no longer brings ``pkg_resources``, and Python 3.12 and later make environments without setuptools.
Where it is missing, ``packaging.version.parse``, which is the same function, stands in while the module is
imported, and is taken away afterwards.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from packaging.version import parse

__all__ = ["import_tensorflow_hub"]

_MISSING = "pkg_resources"
_one_at_a_time = threading.Lock()


def import_tensorflow_hub() -> ModuleType:
    """The module ``tensorflow_hub``. Its import takes seconds: it brings the legacy Keras with it."""
    with _one_at_a_time, _stand_in():
        import tensorflow_hub

    module: ModuleType = tensorflow_hub
    return module


@contextmanager
def _stand_in() -> Iterator[None]:
    if _MISSING in sys.modules or importlib.util.find_spec(_MISSING) is not None:
        yield
        return
    module = ModuleType(_MISSING)
    module.parse_version = parse  # type: ignore[attr-defined]
    sys.modules[_MISSING] = module
    try:
        yield
    finally:
        del sys.modules[_MISSING]
