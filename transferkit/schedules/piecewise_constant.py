"""A learning rate that stays, and changes at stated boundaries."""

from __future__ import annotations

import itertools
from bisect import bisect_left

from pydantic import Field, model_validator

from transferkit.schedules._base import Schedule, Span

__all__ = ["PiecewiseConstant"]


class PiecewiseConstant(Schedule):
    """``rate(step) = values[i]`` for the first ``i`` with ``step <= boundaries[i]``, else the last value.

    A boundary belongs to the value before it, as in ``tf.compat.v1.train.piecewise_constant`` and Keras's
    ``PiecewiseConstantDecay``; in epochs, the value changes with the first step after that many epochs. The
    values are learning rates themselves; the optimizer's own goes unused.

    >>> schedule = PiecewiseConstant(boundaries=(100, 200), values=(1e-2, 1e-3, 1e-4))
    >>> span = Span(base=0.5, steps=300, steps_per_epoch=10)
    >>> [schedule.value(step, span) for step in (0, 100, 101, 200, 201, 9999)]
    [0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001]
    """

    uses_base = False

    boundaries: tuple[float, ...] = Field(
        (), description="where the rate changes, in `unit`s from the start of the phase, increasing"
    )
    values: tuple[float, ...] = Field(
        (1e-3,), min_length=1, description="rates between the boundaries; one more than boundaries"
    )

    @model_validator(mode="after")
    def _fits(self) -> PiecewiseConstant:
        faults = []
        if len(self.values) != len(self.boundaries) + 1:
            faults.append(
                f"received {len(self.boundaries)} boundaries and {len(self.values)} values, "
                "expected one value more than boundaries"
            )
        if any(after <= before for before, after in itertools.pairwise(self.boundaries)):
            faults.append(
                f"received boundaries {list(self.boundaries)}, expected each larger than the one before"
            )
        if any(one < 0 for one in (*self.boundaries, *self.values)):
            faults.append("expected no boundary and no value below 0")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def rate(self, step: float, span: Span) -> float:
        # A boundary in epochs means the epoch's end: the next epoch's first step has the next value already.
        early = 1 if self.unit == "epochs" else 0
        boundaries = [span.in_steps(one, self.unit) - early for one in self.boundaries]
        return self.values[bisect_left(boundaries, step)]
