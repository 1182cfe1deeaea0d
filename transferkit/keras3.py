"""The one place that imports Keras for everything but the backbones.

Checks that it is Keras 3, on TensorFlow.
"""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras

from transferkit.errors import UserError, fault

__all__ = ["keras"]

if int(keras.__version__.split(".")[0]) < 3:
    raise UserError(
        fault("keras", keras.__version__, "version 3 or later", "install it with: pip install 'keras>=3.3'")
    )
if keras.backend.backend() != "tensorflow":
    raise UserError(
        fault(
            "KERAS_BACKEND",
            keras.backend.backend(),
            "tensorflow",
            "unset KERAS_BACKEND, or mend 'backend' in Keras's keras.json",
        )
    )
