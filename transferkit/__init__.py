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
    from transferkit.activations.cache import Cache
    from transferkit.export.inspect import inspect_export as inspect
    from transferkit.find_card import list_cards as list_backbones
    from transferkit.find_card import load_card
    from transferkit.inspection.augmentation_preview import preview_augmentation
    from transferkit.inspection.check_data import check_data
    from transferkit.inspection.compare_runs import compare_runs as compare
    from transferkit.inspection.doctor import examine as doctor
    from transferkit.inspection.lr_find import find_rate as lr_find
    from transferkit.inspection.plan import make_plan as plan
    from transferkit.inspection.probe import probe
    from transferkit.inspection.review.queue import review_queue
    from transferkit.inspection.schedule import schedule_rates as schedule
    from transferkit.recipe.find import recipe_files as list_recipes
    from transferkit.recipe.load import load as load_recipe
    from transferkit.recipe.schema import json_schema as recipe_schema
    from transferkit.recipe.value_origins import diff as diff_recipes
    from transferkit.recipe.value_origins import explain as explain_recipe
    from transferkit.runs.checks.preflight import preflight
    from transferkit.runs.demo.digits import write_digits
    from transferkit.runs.demo.solar_cells import write_solar_cells
    from transferkit.runs.extend.extend import extend, forget
    from transferkit.runs.features.embed import embed
    from transferkit.runs.features.export_features import export_features
    from transferkit.runs.features.label_next import label_next
    from transferkit.runs.features.shards import compute_features
    from transferkit.runs.features.similar import similar
    from transferkit.runs.finished.run import Run, load_run
    from transferkit.runs.finished.verbs import evaluate, export_run, predict, verify
    from transferkit.runs.launch.job import launch
    from transferkit.runs.push.push import push
    from transferkit.runs.retrain import retrain
    from transferkit.serving.serve import serve

__all__ = [
    "Cache",
    "GateError",
    "Run",
    "UserError",
    "__version__",
    "check_data",
    "compare",
    "compute_features",
    "diff_recipes",
    "doctor",
    "embed",
    "estimator",
    "evaluate",
    "explain_recipe",
    "export_features",
    "export_run",
    "extend",
    "forget",
    "inspect",
    "label_next",
    "launch",
    "list_backbones",
    "list_recipes",
    "load_card",
    "load_recipe",
    "load_run",
    "lr_find",
    "plan",
    "predict",
    "preflight",
    "preview_augmentation",
    "probe",
    "push",
    "recipe_schema",
    "retrain",
    "review_queue",
    "schedule",
    "serve",
    "similar",
    "verify",
    "write_digits",
    "write_solar_cells",
]

_LAZY = {
    "Cache": "transferkit.activations.cache:Cache",
    "Run": "transferkit.runs.finished.run:Run",
    "check_data": "transferkit.inspection.check_data:check_data",
    "compare": "transferkit.inspection.compare_runs:compare_runs",
    "compute_features": "transferkit.runs.features.shards:compute_features",
    "diff_recipes": "transferkit.recipe.value_origins:diff",
    "doctor": "transferkit.inspection.doctor:examine",
    "embed": "transferkit.runs.features.embed:embed",
    "evaluate": "transferkit.runs.finished.verbs:evaluate",
    "explain_recipe": "transferkit.recipe.value_origins:explain",
    "export_features": "transferkit.runs.features.export_features:export_features",
    "export_run": "transferkit.runs.finished.verbs:export_run",
    "extend": "transferkit.runs.extend.extend:extend",
    "forget": "transferkit.runs.extend.extend:forget",
    "inspect": "transferkit.export.inspect:inspect_export",
    "label_next": "transferkit.runs.features.label_next:label_next",
    "launch": "transferkit.runs.launch.job:launch",
    "list_backbones": "transferkit.find_card:list_cards",
    "list_recipes": "transferkit.recipe.find:recipe_files",
    "load_card": "transferkit.find_card:load_card",
    "load_recipe": "transferkit.recipe.load:load",
    "load_run": "transferkit.runs.finished.run:load_run",
    "lr_find": "transferkit.inspection.lr_find:find_rate",
    "plan": "transferkit.inspection.plan:make_plan",
    "predict": "transferkit.runs.finished.verbs:predict",
    "preflight": "transferkit.runs.checks.preflight:preflight",
    "preview_augmentation": "transferkit.inspection.augmentation_preview:preview_augmentation",
    "probe": "transferkit.inspection.probe:probe",
    "push": "transferkit.runs.push.push:push",
    "recipe_schema": "transferkit.recipe.schema:json_schema",
    "retrain": "transferkit.runs.retrain:retrain",
    "review_queue": "transferkit.inspection.review.queue:review_queue",
    "schedule": "transferkit.inspection.schedule:schedule_rates",
    "serve": "transferkit.serving.serve:serve",
    "similar": "transferkit.runs.features.similar:similar",
    "verify": "transferkit.runs.finished.verbs:verify",
    "write_digits": "transferkit.runs.demo.digits:write_digits",
    "write_solar_cells": "transferkit.runs.demo.solar_cells:write_solar_cells",
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
