"""The sections of a recipe other than training, a module each, in the order in which a run meets them."""

from __future__ import annotations

from transferkit.recipe.sections.activations import ActivationsSection
from transferkit.recipe.sections.average import AverageSection
from transferkit.recipe.sections.backbone import BackboneSection
from transferkit.recipe.sections.best import BestSection
from transferkit.recipe.sections.data import DataSection
from transferkit.recipe.sections.devices import DevicesSection
from transferkit.recipe.sections.evaluation import EvaluationSection
from transferkit.recipe.sections.export import ExportSection
from transferkit.recipe.sections.parts import AugmentationSection, HeadSection
from transferkit.recipe.sections.sweep import Range, SweepSection
from transferkit.recipe.sections.tracking import TrackingSection

__all__ = [
    "ActivationsSection",
    "AugmentationSection",
    "AverageSection",
    "BackboneSection",
    "BestSection",
    "DataSection",
    "DevicesSection",
    "EvaluationSection",
    "ExportSection",
    "HeadSection",
    "Range",
    "SweepSection",
    "TrackingSection",
]
