"""Puts this package where programs look for tf.estimator: attributes of TensorFlow, and import paths."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

__all__ = ["install"]

_PATHS = ("tensorflow_estimator", "tensorflow.python.estimator")
_PARTS = ("", ".export", ".experimental", ".inputs")


def install() -> Any:
    """Makes ``tf.estimator`` this package, for all code of the process that is imported later.

    ``tf.estimator``, ``tf.compat.v1.estimator`` and ``tf.compat.v2.estimator`` are set, and imports of
    ``tensorflow_estimator…``, ``tensorflow.estimator…`` and ``tensorflow.python.estimator…`` find it.

    Returns:
        This package, as the module ``transferkit.estimator``.
    """
    ours = importlib.import_module("transferkit.estimator")
    places: list[Any] = [tf, tf.compat.v1, tf.compat.v2, sys.modules["tensorflow"]]
    for place in places:
        place.estimator = ours
    for path in ("tensorflow.estimator", "tensorflow.compat.v1.estimator", "tensorflow.compat.v2.estimator"):
        for part in _PARTS:
            sys.modules[path + part] = importlib.import_module(ours.__name__ + part)
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
        for name in [name for name in sys.modules if _ours(name)]:
            del sys.modules[name]
    return ours


def _ours(name: str) -> bool:
    return any(name == path or name.startswith(path + ".") for path in _PATHS)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every module below the old paths: each shows the public names of this package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not _ours(fullname):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Facade(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__path__ = []


class _Facade(types.ModuleType):
    """A module of the old paths. Names with a capital, and functions, are those of this package."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        ours = importlib.import_module("transferkit.estimator")
        for place in (ours, ours.export, ours.experimental, ours.inputs):
            if name in getattr(place, "__all__", ()):
                return getattr(place, name)
        if name[:1].isupper():
            return getattr(ours, name)
        return importlib.import_module(f"{self.__name__}.{name}")
