"""Learning-rate schedules: each module is one, a pure function from a step to a rate."""

from __future__ import annotations

from transferkit.schedules._base import Schedule, Span
from transferkit.schedules._make import as_keras, make_schedule, rates

Base = Schedule

__all__ = ["Base", "Schedule", "Span", "as_keras", "make_schedule", "rates"]
