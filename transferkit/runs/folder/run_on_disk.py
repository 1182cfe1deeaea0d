"""What is asked of a run where the files in its folder are read."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from transferkit.recipe import Recipe
from transferkit.type_names import NamedValues

__all__ = ["RunOnDisk"]


class RunOnDisk(Protocol):
    """A run's folder, its recipe and its facts.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe, with its paths as they lead to the run's files."""

    @property
    def summary(self) -> NamedValues:
        """What the run was and gave."""
