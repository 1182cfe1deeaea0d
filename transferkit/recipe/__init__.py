"""Recipes: files that say a whole run. Reads, checks, explains and writes them; imports no TensorFlow."""

from transferkit.recipe.load import load
from transferkit.recipe.phases import Phase
from transferkit.recipe.recipe import Recipe

__all__ = ["Phase", "Recipe", "load"]
