"""transferkit: retrain pretrained image backbones.

Below the cut the backbone is frozen and runs once per distinct image; above it an Estimator trains.

    >>> import transferkit
    >>> run = transferkit.retrain(data="photos/")  # doctest: +SKIP
    >>> run.metrics["accuracy"]  # doctest: +SKIP
    0.9

Importing this package imports neither TensorFlow nor Keras: the names below load when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from transferkit._version import __version__
from transferkit.errors import GateError, UserError

if TYPE_CHECKING:
    from transferkit.inspection.augmentation_preview import preview_augmentation
    from transferkit.inspection.plan import make_plan as plan
    from transferkit.runs.demo import write_digits
    from transferkit.runs.features.embed import embed
    from transferkit.runs.features.similar import similar
    from transferkit.runs.preflight import preflight
    from transferkit.runs.retrain import retrain
    from transferkit.runs.run import Run, load_run
    from transferkit.runs.solar_cells import write_solar_cells

__all__ = [
    "GateError",
    "Run",
    "UserError",
    "__version__",
    "embed",
    "estimator",
    "load_run",
    "plan",
    "preflight",
    "preview_augmentation",
    "retrain",
    "similar",
    "write_digits",
    "write_solar_cells",
]

_LAZY = {
    "Run": "transferkit.runs.run:Run",
    "embed": "transferkit.runs.features.embed:embed",
    "load_run": "transferkit.runs.run:load_run",
    "plan": "transferkit.inspection.plan:make_plan",
    "preflight": "transferkit.runs.preflight:preflight",
    "preview_augmentation": "transferkit.inspection.augmentation_preview:preview_augmentation",
    "retrain": "transferkit.runs.retrain:retrain",
    "similar": "transferkit.runs.features.similar:similar",
    "write_digits": "transferkit.runs.demo:write_digits",
    "write_solar_cells": "transferkit.runs.solar_cells:write_solar_cells",
}


def __getattr__(name: str) -> Any:
    if name == "estimator":
        return importlib.import_module("transferkit.estimator")
    if name in _LAZY:
        module, _, attribute = _LAZY[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    raise AttributeError(f"module 'transferkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
