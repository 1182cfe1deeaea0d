"""A learning rate that falls to its end along a power of the time that is left; linear for power 1."""

from __future__ import annotations

from pydantic import Field

from transferkit.schedules._base import Schedule, Span

__all__ = ["Polynomial"]


class Polynomial(Schedule):
    """``rate = end + (base - end) * (1 - done) ** power``, ``end = base * end_factor``.

    ``done`` is the share of the phase after the warm-up that is over: 1 at its last step.

    >>> schedule = Polynomial()
    >>> span = Span(base=0.01, steps=101, steps_per_epoch=10)
    >>> [round(schedule.value(step, span), 4) for step in (0, 50, 100)]
    [0.01, 0.005, 0.0]
    """

    power: float = Field(1.0, gt=0, description="exponent; 1 is linear")
    end_factor: float = Field(0.0, ge=0, le=1, description="the last rate as a share of the first")

    def rate(self, step: float, span: Span) -> float:
        end = span.base * self.end_factor
        result: float = end + (span.base - end) * (1 - self.done(step, span)) ** self.power
        return result
