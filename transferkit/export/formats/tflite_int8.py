"""TFLite in whole int8, weights and activations: what accelerators for integers take.

The ranges of the activations are measured on training photos. Pixels go in as uint8 and are not rescaled
before they are quantised (scale 1, zero point 0); probabilities come out as float32, in steps of 1/256. What
quantising adds to every answer alike is taken out again (:mod:`._bias_correction`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from transferkit.errors import UserError, fault
from transferkit.export.export_spec import ExportSpec
from transferkit.export.formats import _tflite
from transferkit.export.formats._base import Tolerance

__all__ = [
    "EXTRA",
    "FILE",
    "FUNCTIONAL",
    "NEEDS",
    "PHOTOS",
    "REPRESENTATIVE",
    "TITLE",
    "TOLERANCE",
    "USAGE",
    "read",
    "write",
]

FILE = "model_int8.tflite"
TITLE = "TFLite, full int8"
TOLERANCE = Tolerance(difference=None, agreement=0.98)
NEEDS: tuple[str, ...] = ()
EXTRA = None
FUNCTIONAL = False
PHOTOS = True
USAGE = _tflite.USAGE
REPRESENTATIVE = 128
_FOR_BIASES = 64

read = _tflite.read


def write(export_spec: ExportSpec, path: Path) -> None:
    """Writes ``path``; the input is uint8 ``[N, h, w, 3]``, the output float32 ``[N, classes]``.

    Raises:
        UserError: there are no photos to measure ranges on.
    """
    import tensorflow as tf

    from transferkit.export.formats._bias_correction import correct_biases

    photos = list(export_spec.photos(REPRESENTATIVE)) if export_spec.photos is not None else []
    if not photos:
        expected = "training photos, to measure the ranges of the activations on"
        raise UserError(fault("export.formats", "tflite_int8", expected, "name them with --data DIR"))

    def representative() -> Iterator[list[np.ndarray]]:
        for photo in photos:
            yield [photo[np.newaxis].astype(np.float32)]

    quantised = _tflite.convert(
        export_spec,
        # As float the images are quantised with the rest: as uint8 a cast to float would stay in the file.
        dtype=tf.float32,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=representative,
        target_spec=tf.lite.TargetSpec(supported_ops=[tf.lite.OpsSet.TFLITE_BUILTINS_INT8]),
        inference_input_type=tf.uint8,
    )
    original = _tflite.convert(export_spec, dtype=tf.float32)
    with _tflite.quiet():
        corrected = correct_biases(quantised, original, photos[:_FOR_BIASES])
    _tflite.save(corrected, export_spec, path)
