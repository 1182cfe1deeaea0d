"""The recipes of the two networks whose answers ``[average]`` averages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transferkit.recipe.components import check_augmentation, check_component
from transferkit.recipe.faults import Fault, shown
from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.recipe.recipe import Recipe

__all__ = ["average_faults", "average_table", "second_recipe"]


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
    from transferkit.recipe.check_values import check

    assert recipe.average is not None  # noqa: S101 -- for the type checker: the caller looked
    values = recipe.values()
    table: NamedValues = values.pop("average")
    for key in ("phases", "best", "sweep"):
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


def average_faults(recipe: Recipe) -> list[Fault]:
    """What is wrong with a recipe's ``[average]``; nothing where it has none."""
    average = recipe.average
    if average is None:
        return []
    faults: list[Fault] = []
    if average.head.kind != "auto":
        expected = "'auto': the second network is fitted at once"
        faults.append(Fault(("average", "head", "kind"), shown(average.head.kind), expected))
    else:
        faults += check_component("heads", "auto", average.head.options, ("average", "head"))[1]
    words, wrong = check_augmentation(average.augmentation.options)
    faults += [Fault(("average", *one.path), one.received, one.expected, one.hint) for one in wrong]
    if average.views > 1 and not words:
        hint = "switch one on in average.augmentation, or leave views out"
        faults.append(Fault(("average", "views"), str(average.views), "1 without augmentation", hint))
    for key in ("sweep", "best"):
        if getattr(recipe, key) is not None:
            faults.append(Fault((key,), None, f"no {key} with [average]"))
    return faults
