"""The one place that imports Keras, and checks that it is Keras 3.

The Estimator takes it from here: it works with whatever settings the program has. What retrains takes it from
:mod:`transferkit.keras3`, which settles them.
"""

from __future__ import annotations

from transferkit.errors import UserError, fault
from transferkit.keras_settings import prepare_import

prepare_import()

import keras  # noqa: E402 -- with the settings that were just prepared

__all__ = ["keras"]

if int(keras.__version__.split(".")[0]) < 3:
    raise UserError(
        fault("keras", keras.__version__, "version 3 or later", "install it with: pip install -U keras")
    )
