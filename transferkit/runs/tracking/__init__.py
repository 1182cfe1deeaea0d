"""Where the curves of a run go: TensorBoard always, MLflow and Weights & Biases on demand.

A tracker is a module of this folder with a class that extends :class:`Tracker`. What a tracker cannot do
never ends a run: it is said, and that tracker is left out from there on.
"""

from __future__ import annotations

from transferkit.runs.tracking._base import Tracker
from transferkit.runs.tracking._together import Trackers, check_tracking, open_trackers

__all__ = ["Tracker", "Trackers", "check_tracking", "open_trackers"]
