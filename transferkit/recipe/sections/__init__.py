"""The sections of a recipe other than training, a module each, in the order in which a run meets them."""

from __future__ import annotations

from transferkit.recipe.sections.activations import Activations
from transferkit.recipe.sections.average import Average
from transferkit.recipe.sections.backbone import Backbone
from transferkit.recipe.sections.best import Best
from transferkit.recipe.sections.data import Data
from transferkit.recipe.sections.devices import Devices
from transferkit.recipe.sections.evaluation import Evaluation
from transferkit.recipe.sections.export import Export
from transferkit.recipe.sections.parts import Augmentation, Head
from transferkit.recipe.sections.sweep import Range, Sweep
from transferkit.recipe.sections.tracking import Tracking

__all__ = [
    "Activations",
    "Augmentation",
    "Average",
    "Backbone",
    "Best",
    "Data",
    "Devices",
    "Evaluation",
    "Export",
    "Head",
    "Range",
    "Sweep",
    "Tracking",
]
