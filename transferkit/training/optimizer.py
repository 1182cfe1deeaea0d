"""A phase's optimizer with its learning-rate schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transferkit.freezing import FreezePlan
from transferkit.optimizers import make_optimizer
from transferkit.recipe import Phase
from transferkit.recipe.metrics import less_is_better
from transferkit.schedules import Schedule, Span, as_keras, make_schedule
from transferkit.training.history import History
from transferkit.transfer.network import Network
from transferkit.type_names import Variable

__all__ = ["Rate", "build_optimizer", "phase_span", "phase_steps"]


def phase_steps(phase: Phase, steps_per_epoch: int) -> int:
    """Optimizer steps of a whole phase."""
    return phase.steps or (phase.epochs or 1) * steps_per_epoch


def phase_span(phase: Phase, steps_per_epoch: int) -> Span:
    """What a phase's schedule runs over."""
    return Span(phase.optimizer.learning_rate, phase_steps(phase, steps_per_epoch), steps_per_epoch)


class Rate:
    """The learning rate of one phase: a pure function of the step, and of the history where it listens.

    Args:
        schedule: the recipe's word.
        span: the phase.

    Attributes:
        keras: the schedule as the optimizer takes it.
    """

    def __init__(self, schedule: Schedule, span: Span) -> None:
        self.schedule = schedule
        self.span = span
        self.keras = as_keras(schedule, span)

    def follow(self, history: History) -> None:
        """Brings the rate to what the evaluations so far ask for; does nothing for most schedules."""
        if self.schedule.uses_metrics:
            self.keras.factor.assign(self.multiplier(history))

    def multiplier(self, history: History) -> float:
        """The share of the schedule's own rate that stands after these evaluations."""
        if not self.schedule.uses_metrics:
            return 1.0
        listening: Any = self.schedule
        return float(
            listening.multiplier(history.values(listening.metric), not less_is_better(listening.metric))
        )

    def value(self, step: int, history: History) -> float:
        """The learning rate of one step of the phase, counted from 0."""
        return self.schedule.value(step, self.span) * self.multiplier(history)


def build_optimizer(
    phase: Phase,
    steps_per_epoch: int,
    plan: FreezePlan,
    network: Network,
    replicas: int = 1,
) -> tuple[Any, Rate]:
    """The Keras optimizer of a phase, not built yet, with each variable's share of the learning rate.

    Args:
        phase: what the recipe says.
        steps_per_epoch: batches.
        plan: which variables learn at which share of the rate.
        network: whose variables they are.
        replicas: over how many devices each batch is divided.

    Returns:
        The optimizer, and its learning rate.
    """
    variables: Sequence[Variable] = network.cut.trainable_variables
    shares = plan.lr_multipliers(variables)
    multipliers = {one.path: share for one, share in zip(variables, shares, strict=True) if share != 1}
    rate = Rate(make_schedule(phase.schedule), phase_span(phase, steps_per_epoch))
    carries = phase.optimizer_state == "carry"
    return make_optimizer(phase, rate.keras, multipliers, carries, replicas), rate
