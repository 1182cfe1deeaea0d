"""The recipes of the two networks whose answers ``[average]`` averages."""

from __future__ import annotations

from transferkit.recipe.checks.check_values import check
from transferkit.recipe.phases import TrainingSection
from transferkit.recipe.recipe import Recipe
from transferkit.type_names import NamedValues

__all__ = ["average_table", "second_recipe"]


def average_table(recipe: Recipe, scale: float) -> NamedValues:
    """The table ``[average]`` that makes the network of a recipe the second one.

    Args:
        recipe: with everything frozen and the head ``auto``.
        scale: what the mean of the logits is multiplied by.
    """
    values = recipe.values()
    return {
        "backbone": values["backbone"],
        "head": values["head"],
        "scale": scale,
        "augmentation": values["augmentation"],
        "views": recipe.activations.views,
    }


def second_recipe(recipe: Recipe, size: tuple[int, int]) -> Recipe:
    """The recipe of the second network alone, everything frozen.

    Args:
        recipe: with ``[average]``.
        size: height and width in pixels of the images that the first network takes.
    """
    assert recipe.average is not None  # noqa: S101 -- for the type checker: the caller looked
    values = recipe.values()
    table: NamedValues = values.pop("average")
    # Of training it knows the loss alone.
    for key in (
        "phases",
        "best",
        "sweep",
        *(name for name in TrainingSection.model_fields if name != "loss"),
    ):
        values.pop(key, None)
    several = recipe.head.options.get("multi_label", False)
    values |= {
        "backbone": {**(table.get("backbone") or values["backbone"]), "input_size": list(size)},
        "head": {**table["head"], "multi_label": several},
        "augmentation": table.get("augmentation", {}),
        "activations": {**values["activations"], "views": table["views"]},
        "freeze": "all",
    }
    return check(values, {})
