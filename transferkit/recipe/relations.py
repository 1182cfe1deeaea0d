"""What the parts of a recipe demand of each other, and of the data and the backbone once these are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transferkit.recipe.faults import Fault

if TYPE_CHECKING:
    from transferkit.recipe.recipe import Recipe

__all__ = ["relations"]


def relations(recipe: Recipe) -> list[Fault]:
    """Faults between values that are each right by themselves."""
    return []
