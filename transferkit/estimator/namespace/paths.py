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

from transferkit.estimator.namespace.absent import contrib_hint, missing
from transferkit.estimator.namespace.old_names import OLD_MODULES, old_name
from transferkit.private.tensorflow_attributes import module_inside

__all__ = ["install"]

_MODULES = ("export", "experimental", "inputs", "tpu")
_PATHS = ("tensorflow_estimator", "tensorflow.python.estimator")
_CONTRIB = ("tensorflow.contrib", "tensorflow.compat.v1.contrib")
_PARTS = ("", ".export", ".experimental", ".inputs", ".tpu")


def install() -> Any:
    """Makes ``tf.estimator`` this package, for all code of the process that is imported later.

    ``tf.estimator``, ``tf.compat.v1.estimator``, ``tf.compat.v2.estimator`` and ``tf.keras.estimator`` are
    set, and imports of ``tensorflow_estimator…``, ``tensorflow.estimator…`` and
    ``tensorflow.python.estimator…`` find it. ``tf.contrib`` stays away, and says what to use.

    Returns:
        This package, as the module ``transferkit.estimator``.
    """
    ours = importlib.import_module("transferkit.estimator")
    # What an import finds need not be the object that is an attribute.
    olds: list[Any] = [tf.compat.v1, importlib.import_module("tensorflow.compat.v1")]
    places: list[Any] = [tf, *olds, tf.compat.v2, sys.modules["tensorflow"]]
    # Pre-made Estimators of version 1 differ in their losses and rates.
    first = importlib.import_module("transferkit.estimator.v1")
    for place in places:
        place.estimator = first if any(place is old for old in olds) else ours
        _say_of_contrib(place)
    tf.keras.estimator = types.SimpleNamespace(model_to_estimator=ours.model_to_estimator)
    for path in ("tensorflow.estimator", "tensorflow.compat.v1.estimator", "tensorflow.compat.v2.estimator"):
        for part in _PARTS:
            sys.modules[path + part] = importlib.import_module(ours.__name__ + part)
    sys.modules["tensorflow.compat.v1.estimator"] = first
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
        for name in [name for name in sys.modules if _ours(name)]:
            del sys.modules[name]
    return ours


def _say_of_contrib(module: Any) -> None:
    """``tf.contrib`` is no attribute still, but its absence says what to use."""
    module = module_inside(module)

    def absent(name: str) -> Any:
        if name == "contrib":
            raise AttributeError(_of_contrib())
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

    vars(module).setdefault("__getattr__", absent)


def _of_contrib() -> str:
    check = "python -m transferkit.estimator check PROGRAM lists what to use for each of its parts"
    return f"{contrib_hint('')}; {check}"


def _ours(name: str) -> bool:
    return any(name == path or name.startswith(path + ".") for path in _PATHS)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every module below the old paths: each shows the public names of this package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in _CONTRIB:
            raise ModuleNotFoundError(_of_contrib(), name=fullname)
        if not _ours(fullname):
            return None
        parent, _, name = fullname.rpartition(".")
        if fullname not in _PATHS and parent and name not in OLD_MODULES:
            hint = missing(name)
            if hint:
                raise ImportError(f"transferkit.estimator has no {name}: {hint}")
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
        if name in _MODULES:
            # Theirs held more than what was public.
            return importlib.import_module(f"{self.__name__}.{name}")
        old = old_name(self.__name__, name)
        if old is not None:
            return old
        parts = [ours, ours.export, ours.experimental, ours.inputs, ours.tpu]
        if ".tpu" in self.__name__:
            # Its RunConfig is another one.
            parts.insert(0, ours.tpu)
        for place in parts:
            if name in getattr(place, "__all__", ()):
                return getattr(place, name)
        if name in OLD_MODULES:
            return importlib.import_module(f"{self.__name__}.{name}")
        hint = missing(name)
        raise AttributeError(
            f"{self.__name__} (transferkit.estimator) has no {name}" + (f": {hint}" if hint else "")
        )
