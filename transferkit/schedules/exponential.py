"""A learning rate that shrinks by the same factor over every stretch of the same length."""

from __future__ import annotations

from pydantic import Field

from transferkit.schedules._base import Schedule, Span

__all__ = ["Exponential"]


class Exponential(Schedule):
    """``rate(step) = base * factor ** (t / every)``, ``t`` steps after the warm-up.

    >>> schedule = Exponential(factor=0.5, every=10)
    >>> span = Span(base=0.008, steps=100, steps_per_epoch=10)
    >>> [round(schedule.value(step, span), 6) for step in (0, 10, 20, 25)]
    [0.008, 0.004, 0.002, 0.001414]
    """

    factor: float = Field(
        0.94, gt=0, le=1, description="factor by which the rate is multiplied after `every`"
    )
    every: float = Field(1, gt=0, description="length of one stretch, in `unit`s")
    staircase: bool = Field(False, description="multiply at the end of every stretch instead of continuously")

    def rate(self, step: float, span: Span) -> float:
        length = max(1, span.in_steps(self.every, self.unit))
        power = (step - self.warmup_steps(span)) / length
        result: float = span.base * self.factor ** (power // 1 if self.staircase else power)
        return result
