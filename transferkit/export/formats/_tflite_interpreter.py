"""The interpreter of TFLite files: LiteRT's where it is installed, else TensorFlow's, which is going away."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

__all__ = ["interpreter_of", "plain_operations"]


def interpreter_of(**settings: Any) -> Any:
    """An interpreter.

    The delegate of TensorFlow 2.18 ends the process on models with weights in int8: there it is left out,
    which makes answers slower. LiteRT's own is sound.

    Args:
        **settings: of ``Interpreter``, the same in both packages: ``model_path`` or ``model_content`` …
    """
    if _delegate_crashes():
        settings.setdefault("experimental_op_resolver_type", plain_operations())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own says that it is going to move
        return _names()[0](**settings)


def plain_operations() -> Any:
    """The setting ``experimental_op_resolver_type`` that leaves delegates out."""
    return _names()[1].BUILTIN_WITHOUT_DEFAULT_DELEGATES


def _delegate_crashes() -> bool:
    if importlib.util.find_spec("ai_edge_litert") is not None:
        return False
    import tensorflow as tf

    version: str = tf.__version__
    return version.startswith("2.18.")


def _names() -> tuple[Any, Any]:
    """The classes ``Interpreter`` and ``OpResolverType``."""
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        import tensorflow as tf

        return tf.lite.Interpreter, tf.lite.experimental.OpResolverType
    return Interpreter, OpResolverType
