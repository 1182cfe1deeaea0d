"""What a run tells a program of its progress, where one wants to hear of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["ProgressEvent"]


@dataclass(frozen=True)
class ProgressEvent:
    """One step of a run.

    Attributes:
        kind: a stage begins, goes on or ends, or an epoch of training ended.
        stage: its name, such as ``"images"`` or ``"train"``; of an epoch the phase's.
        done: units done; of an epoch its number.
        total: units in all; None where nothing is counted.
        unit: what is counted, such as ``"image"``.
        facts: figures worth showing: the loss so far; of an epoch its whole row, as in ``run.history``.
        seconds: that the stage took, once it has ended.
    """

    kind: Literal["begin", "update", "end", "epoch"]
    stage: str
    done: int
    total: int | None
    unit: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
