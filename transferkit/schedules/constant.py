"""One learning rate from the first step to the last."""

from __future__ import annotations

from transferkit.schedules._base import Schedule, Span

__all__ = ["Constant"]


class Constant(Schedule):
    """``rate(step) = base``.

    >>> Constant().value(7, Span(base=0.001, steps=100, steps_per_epoch=10))
    0.001
    """

    def rate(self, step: float, span: Span) -> float:
        return span.base
