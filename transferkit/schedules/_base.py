"""What every schedule is: a pure function from a step to a learning rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from transferkit.registry import Component

__all__ = ["Schedule", "Span"]


@dataclass(frozen=True)
class Span:
    """The phase that a schedule runs over.

    Attributes:
        base: the optimizer's learning rate, which most schedules start from.
        steps: optimizer steps of the whole phase.
        steps_per_epoch: optimizer steps of one pass over the training images.
    """

    base: float
    steps: int
    steps_per_epoch: int

    def in_steps(self, length: float, unit: str) -> int:
        """A length in ``"steps"`` or ``"epochs"`` as a whole number of steps.

        >>> Span(1e-3, 100, 16).in_steps(2.5, "epochs")
        40
        """
        return round(length * self.steps_per_epoch) if unit == "epochs" else round(length)


class Schedule(Component):
    """Base of all schedules.

    A schedule implements :meth:`rate`; warm-up is added here, alike for all of them.
    """

    # Schedules with state of their own over the evaluations of a run say so (see step_on_plateau).
    uses_metrics: ClassVar[bool] = False
    # Whether `rate` starts from the optimizer's learning rate; if not, that rate goes unused.
    uses_base: ClassVar[bool] = True

    unit: Literal["steps", "epochs"] = Field("steps", description="unit of the lengths in this table")
    warmup: float = Field(0, ge=0, description="length over which the rate rises linearly from near 0")

    def rate(self, step: float, span: Span) -> float:
        """The learning rate at ``step``, counted from the start of the phase, after any warm-up."""
        raise NotImplementedError

    def value(self, step: float, span: Span) -> float:
        """The learning rate at ``step`` with the warm-up: ``rate(w) * (step + 1) / (w + 1)`` below ``w``.

        Args:
            step: optimizer steps done in this phase, 0 for the first.
            span: the phase.
        """
        rising = self.warmup_steps(span)
        if step < rising:
            return self.rate(rising, span) * (step + 1) / (rising + 1)
        return self.rate(step, span)

    def warmup_steps(self, span: Span) -> int:
        """Length of the warm-up in steps."""
        return span.in_steps(self.warmup, self.unit)

    def done(self, step: float, span: Span) -> float:
        """The share of the phase after the warm-up that is over, 0 to 1; 1 at the phase's last step."""
        rising = self.warmup_steps(span)
        last = span.steps - 1
        return min(1.0, max(0.0, (step - rising) / (last - rising))) if last > rising else 1.0
