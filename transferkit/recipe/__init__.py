"""Recipes: files that say a whole run. Reads, checks, explains and writes them; imports no TensorFlow."""

from transferkit.recipe.checks.cross_checks import check_card, check_labels, check_with
from transferkit.recipe.checks.named_code import admit_code, refused_code
from transferkit.recipe.find import find, recipe_files
from transferkit.recipe.load import load
from transferkit.recipe.phases import Phase
from transferkit.recipe.recipe import Recipe

__all__ = [
    "Phase",
    "Recipe",
    "admit_code",
    "check_card",
    "check_labels",
    "check_with",
    "find",
    "load",
    "recipe_files",
    "refused_code",
]
