"""A phase's optimizer with its learning-rate schedule."""

from __future__ import annotations

from typing import Any

from transferkit.freezing import FreezePlan
from transferkit.model_fn.network import Network
from transferkit.optimizers import make_optimizer
from transferkit.recipe import Phase
from transferkit.schedules import Span, as_keras, make_schedule

__all__ = ["build_optimizer", "phase_steps"]


def phase_steps(phase: Phase, steps_per_epoch: int) -> int:
    """Optimizer steps of a whole phase."""
    return phase.steps or (phase.epochs or 1) * steps_per_epoch


def build_optimizer(phase: Phase, steps_per_epoch: int, plan: FreezePlan, network: Network) -> Any:
    """The Keras optimizer of a phase, not built yet, with each variable's share of the learning rate."""
    variables = network.cut.trainable_variables
    shares = plan.lr_multipliers(variables)
    multipliers = {one.path: share for one, share in zip(variables, shares, strict=True) if share != 1}
    span = Span(phase.optimizer.learning_rate, phase_steps(phase, steps_per_epoch), steps_per_epoch)
    return make_optimizer(phase, as_keras(make_schedule(phase.schedule), span), multipliers)
