"""What a tracker is."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transferkit.recipe import Recipe

__all__ = ["Tracker"]


class Tracker(abc.ABC):
    """Hands a run's figures to one place.

    Its module has the name of the package that it needs, and is switched on by that name in ``[tracking]``.
    """

    @abc.abstractmethod
    def start(self, recipe: Recipe, folder: Path, name: str) -> None:
        """Begins, or goes on with what an earlier process began in this folder.

        Args:
            recipe: the resolved recipe.
            folder: of the run; a tracker keeps there what it needs to be resumed.
            name: what the run is called.
        """

    @abc.abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the figures of one evaluation.

        Args:
            step: optimizer steps done in the run, over all phases.
            values: finite numbers by name.
        """

    def log_step(self, step: int, values: Mapping[str, float]) -> None:  # noqa: B027 -- most have no use for it
        """Takes loss and rate of one training step; where a tracker wants evaluations alone, nothing is done.

        Args:
            step: optimizer steps done in the run, over all phases.
            values: finite numbers by name.
        """

    @abc.abstractmethod
    def finish(self, metrics: Mapping[str, Any], artefacts: Sequence[Path]) -> None:
        """Ends with the figures of the evaluation and the files worth keeping beside them."""
