"""The one place that imports Keras for everything but the backbones.

Checks that it is Keras 3, and sets or checks its settings.
"""

from __future__ import annotations

from transferkit.errors import UserError, fault
from transferkit.keras_settings import prepare_import, settle

prepare_import()

import keras  # noqa: E402 -- with the settings that were just prepared

__all__ = ["keras"]

if int(keras.__version__.split(".")[0]) < 3:
    raise UserError(
        fault("keras", keras.__version__, "version 3 or later", "install it with: pip install -U keras")
    )
settle(keras)
