"""Which state a phase ended with, and the proof that the network has it: measured again, it gives the same.

The kept state is all that training changes: trained weights, statistics of normalisation, states of random
numbers. If a part of it were left out, two epochs would be mixed in one network, and no error would say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transferkit.training.history import History
from transferkit.type_names import NamedValues, Variable

__all__ = ["Kept", "KeptStateError", "prove"]

# Differences that are rounding: of the mean loss, relative; and of the accuracy, which is an equal number of
# right answers for fewer than 10 000 images.
_EXACT = 1e-5, 1e-4
# An accelerator, or arithmetic in 16 bits, may add up in another order in another process.
_LOOSE = 1e-2, 5e-3


class KeptStateError(RuntimeError):
    """The network is not in the state that its phase chose to keep: a fault of transferkit's own."""


@dataclass(frozen=True)
class Kept:
    """The state that a phase ended with.

    Attributes:
        phase: its name.
        epoch: after which epoch the state was kept; 0 is the state before the phase.
        epochs: how many epochs the phase trained.
        metric: what chose the epoch, or ``"last"`` where the last one is kept.
        figures: of the validation images at that evaluation: ``val_loss``, ``val_accuracy``.
        again: the same figures of the network at the end of the phase.
        trains_backbone: the phase trained more than the head.
    """

    phase: str
    epoch: int
    epochs: int
    metric: str
    figures: Mapping[str, float]
    again: Mapping[str, float]
    trains_backbone: bool = False

    @property
    def discarded(self) -> bool:
        """No epoch improved on the phase's start: all that it trained is undone."""
        return self.epochs > 0 and self.epoch == 0

    def describe(self) -> str:
        """Which epoch it is, in words.

        >>> figures = {"val_loss": 0.31, "val_accuracy": 0.9}
        >>> Kept("train", 12, 20, "loss", figures, figures).describe()
        'best of 20 epochs is epoch 12 (val_loss 0.31)'
        >>> Kept("top", 0, 2, "loss", figures, figures).describe()
        'none of 2 epochs improved on the start (val_loss 0.31): what they trained was discarded'
        """
        count = f"{self.epochs} epoch{'s' if self.epochs != 1 else ''}"
        if not self.epochs:
            return "no epoch was trained"
        if self.metric == "last":
            return f"epoch {self.epoch}, the last of {count}"
        reached = f"(val_{self.metric} {self.figures[f'val_{self.metric}']:.4g})"
        if self.discarded:
            return f"none of {count} improved on the start {reached}: what they trained was discarded"
        return f"best of {count} is epoch {self.epoch} {reached}"

    def to_dict(self) -> NamedValues:
        """Ready for JSON; figures that are no number become None."""
        made = dict(vars(self))
        for name in ("figures", "again"):
            values = made[name].items()
            made[name] = {key: value if math.isfinite(value) else None for key, value in values}
        return made

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Kept:
        """What :meth:`to_dict` gave."""
        made = dict(facts)
        for name in ("figures", "again"):
            made[name] = {key: math.nan if value is None else value for key, value in made[name].items()}
        return cls(**made)


def kept_row(history: History, last: bool) -> NamedValues:
    """The row whose state a phase ends with."""
    return history.rows[-1] if last else history.best() or history.rows[0]


def prove(
    phase: str,
    history: History,
    last: bool,
    measured: Mapping[str, float],
    exact: bool,
    trained: Sequence[Variable] = (),
) -> Kept:
    """Compares the network that a phase leaves with the row whose state it should have.

    Args:
        phase: its name.
        history: all of its rows.
        last: the last state was to be kept, not the best one.
        measured: ``average_loss`` and ``accuracy`` of the network on the validation images, measured as the
            rows were: the same images in the same order through the same graph.
        exact: the arithmetic is that of a CPU in float32.
        trained: variables of the backbone that the phase trained.

    Raises:
        KeptStateError: they differ by more than rounding.
    """
    row = kept_row(history, last)
    figures = {key: float(value) for key, value in row.items() if key.startswith("val_")}
    again = {"val_loss": float(measured["average_loss"]), "val_accuracy": float(measured["accuracy"])}
    bounds = _EXACT if exact else _LOOSE
    near = math.isclose(figures["val_loss"], again["val_loss"], rel_tol=bounds[0], abs_tol=bounds[0] / 10)
    same = abs(figures["val_accuracy"] - again["val_accuracy"]) < bounds[1]
    # A network that diverged has no loss, then as now.
    lost = not math.isfinite(figures["val_loss"]) and not math.isfinite(again["val_loss"])
    if not ((near and same) or lost):
        raise KeptStateError(
            f"phase {phase}: the network is not in the state of epoch {row['epoch']} that was kept: "
            f"val_loss {again['val_loss']:.6g}, was {figures['val_loss']:.6g}; "
            f"val_accuracy {again['val_accuracy']:.6g}, was {figures['val_accuracy']:.6g}"
        )
    metric = "last" if last else history.metric
    return Kept(phase, row["epoch"], history.rows[-1]["epoch"], metric, figures, again, bool(trained))
