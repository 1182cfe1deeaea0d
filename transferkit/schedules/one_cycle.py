"""A learning rate that rises to its peak and falls far below its start (Smith 2018, arXiv:1803.09820)."""

from __future__ import annotations

import math

from pydantic import Field

from transferkit.schedules._base import Schedule, Span

__all__ = ["OneCycle"]


class OneCycle(Schedule):
    """From ``base / start_divisor`` up to ``base`` in the first ``rise`` of the phase, then down to
    ``base / end_divisor``, both along half a cosine.

    A ``warmup`` stands before the cycle and leads to its start.

    >>> schedule = OneCycle(rise=0.25)
    >>> span = Span(base=0.01, steps=101, steps_per_epoch=10)
    >>> [round(schedule.value(step, span), 6) for step in (0, 25, 100)]
    [0.0004, 0.01, 1e-06]
    """

    rise: float = Field(0.25, gt=0, lt=1, description="share of the phase in which the rate rises")
    start_divisor: float = Field(25.0, ge=1, description="the cycle starts at base / start_divisor")
    end_divisor: float = Field(1e4, ge=1, description="the cycle ends at base / end_divisor")

    def rate(self, step: float, span: Span) -> float:
        done = self.done(step, span)
        if done < self.rise:
            return _between(span.base / self.start_divisor, span.base, done / self.rise)
        return _between(span.base, span.base / self.end_divisor, (done - self.rise) / (1 - self.rise))


def _between(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
