"""TFLite in float32: the same numbers as the SavedModel, for phones and small computers."""

from __future__ import annotations

from pathlib import Path

from transferkit.export.export_spec import ExportSpec
from transferkit.export.formats import _tflite
from transferkit.export.formats._base import EXACT

__all__ = ["EXTRA", "FILE", "FUNCTIONAL", "NEEDS", "SCORES", "TITLE", "TOLERANCE", "USAGE", "read", "write"]

FILE = "model.tflite"
TITLE = "TFLite, float32"
TOLERANCE = EXACT
NEEDS: tuple[str, ...] = ()
EXTRA = None
FUNCTIONAL = False
SCORES = True
USAGE = _tflite.USAGE

read = _tflite.read


def write(export_spec: ExportSpec, path: Path) -> None:
    """Writes ``path``; the input is uint8 ``[N, h, w, 3]``, the output float32 ``[N, classes]``."""
    _tflite.save(_tflite.convert(export_spec, scores=True), export_spec, path, scores=True)
