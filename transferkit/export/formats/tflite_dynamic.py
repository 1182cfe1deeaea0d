"""TFLite with weights in int8 and activations quantised as they come: a quarter of the size."""

from __future__ import annotations

from pathlib import Path

from transferkit.export.export_spec import ExportSpec
from transferkit.export.formats import _tflite
from transferkit.export.formats._base import Tolerance

__all__ = ["EXTRA", "FILE", "FUNCTIONAL", "NEEDS", "TITLE", "TOLERANCE", "USAGE", "read", "write"]

FILE = "model_dynamic.tflite"
TITLE = "TFLite, dynamic range (weights in int8)"
TOLERANCE = Tolerance(difference=None, agreement=0.98)
NEEDS: tuple[str, ...] = ()
EXTRA = None
FUNCTIONAL = False
USAGE = _tflite.USAGE

read = _tflite.read


def write(export_spec: ExportSpec, path: Path) -> None:
    """Writes ``path``; the input is uint8 ``[N, h, w, 3]``, the output float32 ``[N, classes]``."""
    import tensorflow as tf

    _tflite.save(_tflite.convert(export_spec, optimizations=[tf.lite.Optimize.DEFAULT]), export_spec, path)
