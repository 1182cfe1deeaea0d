"""Freezing: said in a recipe, planned layer by layer, held in training, proved afterwards."""

from __future__ import annotations

from transferkit.freezing.freeze_plan import FreezePlan, LayerPlan, StagePlan, plan_freeze
from transferkit.freezing.proof import FrozenMovedError, Proof

__all__ = ["FreezePlan", "FrozenMovedError", "LayerPlan", "Proof", "StagePlan", "plan_freeze"]
