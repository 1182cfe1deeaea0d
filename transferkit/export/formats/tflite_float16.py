"""TFLite with weights in float16: half the size; arithmetic stays float32 on CPUs."""

from __future__ import annotations

from pathlib import Path

from transferkit.export.export_spec import ExportSpec
from transferkit.export.formats import _tflite
from transferkit.export.formats._base import Tolerance

__all__ = ["EXTRA", "FILE", "FUNCTIONAL", "NEEDS", "SCORES", "TITLE", "TOLERANCE", "USAGE", "read", "write"]

FILE = "model_float16.tflite"
TITLE = "TFLite, weights in float16"
# Eleven bits of each weight are left. Measured with MobileNetV2: up to 0.008 on flowers and 0.017 on refuse,
# for images that lie between two classes.
TOLERANCE = Tolerance(difference=5e-2, agreement=0.98)
NEEDS: tuple[str, ...] = ()
EXTRA = None
FUNCTIONAL = False
SCORES = True
USAGE = _tflite.USAGE

read = _tflite.read


def write(export_spec: ExportSpec, path: Path) -> None:
    """Writes ``path``; the input is uint8 ``[N, h, w, 3]``, the output float32 ``[N, classes]``."""
    import tensorflow as tf

    model = _tflite.convert(
        export_spec,
        scores=True,
        optimizations=[tf.lite.Optimize.DEFAULT],
        target_spec=tf.lite.TargetSpec(supported_types=[tf.float16]),
    )
    _tflite.save(model, export_spec, path, scores=True)
