"""A learning rate that falls along half a cosine (Loshchilov and Hutter 2016, arXiv:1608.03983)."""

from __future__ import annotations

import math

from pydantic import Field

from transferkit.schedules._base import Schedule, Span

__all__ = ["Cosine"]


class Cosine(Schedule):
    """``rate = end + (base - end) * (1 + cos(pi * done)) / 2``, ``end = base * end_factor``.

    ``done`` is the share of the phase after the warm-up that is over: 1 at its last step.

    >>> schedule = Cosine(warmup=4)
    >>> span = Span(base=0.01, steps=105, steps_per_epoch=10)
    >>> [round(schedule.value(step, span), 4) for step in (0, 1, 4, 54, 104)]
    [0.002, 0.004, 0.01, 0.005, 0.0]
    """

    end_factor: float = Field(0.0, ge=0, le=1, description="the last rate as a share of the first")

    def rate(self, step: float, span: Span) -> float:
        end = span.base * self.end_factor
        return end + (span.base - end) * (1 + math.cos(math.pi * self.done(step, span))) / 2
