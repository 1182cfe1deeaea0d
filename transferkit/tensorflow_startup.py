"""TensorFlow's start, without the messages that it writes past every log level."""

from __future__ import annotations

import gc
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from transferkit.keras_settings import prepare_import

__all__ = ["loading", "on_accelerator", "set_memory_growth", "start_tensorflow"]

_GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"
# Where the environment says it before we do, it stands.
_GROWTH_GIVEN = _GROWTH in os.environ

# Modules that a large import brings, at least.
_MANY = 100


def start_tensorflow() -> None:
    """Imports TensorFlow and finds its devices; what it says meanwhile is shown only if it fails."""
    if "tensorflow" in sys.modules:
        return
    prepare_import()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Before TensorFlow first looks at a GPU: it would take all of its memory, away from other programs.
    os.environ.setdefault(_GROWTH, "true")
    with _held_back(), loading():
        import tensorflow as tf

        tf.config.list_physical_devices()
    # Where people type, TensorFlow reports every file that it saves, in red.
    if tf.get_logger().level == logging.INFO:
        tf.get_logger().setLevel(logging.WARNING)


def set_memory_growth(grows: bool) -> None:
    """Whether a GPU's memory is taken as it is needed; it counts until TensorFlow first uses a GPU."""
    if not _GROWTH_GIVEN:
        os.environ[_GROWTH] = "true" if grows else "false"


@contextmanager
def loading() -> Iterator[None]:
    """For imports of large modules: the garbage collector rests meanwhile, and passes over them afterwards.

    They make a million objects that are never garbage. Going through these again and again took a fifth of
    the time of a start, and some of every later second. Where little or nothing is imported any more, as in a
    program's second run, nothing is passed over: garbage of the first one would stay with it.
    """
    if not gc.isenabled():
        yield
        return
    before = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) - before > _MANY:
            gc.freeze()
        gc.enable()


@contextmanager
def _held_back() -> Iterator[None]:
    """Keeps what is written to the process's stderr, by C++ code too, and writes it out only on a failure."""
    # C++ writes to this one, whatever stands for stderr in Python: in a notebook that is another.
    stderr = 2
    try:
        kept = os.dup(stderr)
    except OSError:  # it is closed
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), stderr)
        try:
            yield
        except Exception:
            os.dup2(kept, stderr)
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, stderr)
            os.close(kept)


def on_accelerator() -> bool:
    """Whether TensorFlow computes on something else than CPUs."""
    import tensorflow as tf

    return any(tf.config.list_logical_devices(kind) for kind in ("GPU", "TPU"))
