"""The curves of a run's training, drawn with Matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from transferkit.errors import Faults, UserError, did_you_mean, fault
from transferkit.report.plot_history import plot_history

if TYPE_CHECKING:
    from transferkit.runs.finished.run import Run

__all__ = ["plot_run"]


def plot_run(run: Run, figures: Sequence[str]) -> Any:
    """Draws figures of a run's history; see :meth:`transferkit.runs.finished.run.Run.plot`.

    Raises:
        UserError: there are no curves, or no epoch has such a figure.
    """
    if not run.history:
        raise UserError(fault("run.plot", str(run.path), "a run that trained by epochs"))
    known = sorted({key.removeprefix("val_") for row in run.history for key in row} - {"phase", "epoch"})
    Faults(
        fault("run.plot", name, f"one of {', '.join(known)}", did_you_mean(name, known))
        for name in figures
        if name not in known
    ).refuse()
    return plot_history(run.history, figures)
