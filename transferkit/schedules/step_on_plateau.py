"""A learning rate that steps down when a metric of the validation images gets no better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from transferkit.schedules._base import Schedule, Span

__all__ = ["StepOnPlateau"]


class StepOnPlateau(Schedule):
    """``rate = base * factor ** k``, ``k`` the plateaus so far, and never below ``base * least_factor``.

    The step alone does not say how many plateaus there were: that is a pure function of the metric's history,
    :meth:`multiplier`. So there is no state to keep: a run that goes on reads its history and has the rate.

    >>> schedule = StepOnPlateau(factor=0.1, patience=2)
    >>> [round(schedule.multiplier([1.0, 0.5, 0.6, 0.7, 0.6, 0.6][:n]), 3) for n in range(7)]
    [1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.01]
    """

    uses_metrics: ClassVar[bool] = True

    metric: str = Field("loss", min_length=1, description="metric of the validation images that must improve")
    factor: float = Field(
        0.1, gt=0, lt=1, description="factor by which the rate is multiplied after a plateau"
    )
    patience: int = Field(
        3, ge=1, description="number of evaluations without an improvement that make a plateau"
    )
    min_delta: float = Field(0.0, ge=0, description="smallest change that counts as an improvement")
    least_factor: float = Field(
        1e-4, gt=0, le=1, description="smallest share of the first rate that the rate goes down to"
    )

    def rate(self, step: float, span: Span) -> float:
        return span.base

    def multiplier(self, history: Sequence[float], larger_is_better: bool = False) -> float:
        """The share of the rate that is left.

        Args:
            history: the metric at each evaluation of the phase so far.
            larger_is_better: for an accuracy; a loss is better when it is smaller.

        Returns:
            ``factor ** plateaus``, at least ``least_factor``.
        """
        best: float | None = None
        since = plateaus = 0
        for value in history:
            gain = 0.0 if best is None else (value - best if larger_is_better else best - value)
            if best is None or gain > self.min_delta:
                best, since = value, 0
                continue
            since += 1
            if since == self.patience:
                plateaus += 1
                since = 0
        return max(self.factor**plateaus, self.least_factor)
