"""What a recipe's ``[average]`` demands of its own values and of the rest of the recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transferkit.recipe.checks.components import check_augmentation, check_component
from transferkit.recipe.faults import Fault, shown

if TYPE_CHECKING:
    from transferkit.recipe.recipe import Recipe

__all__ = ["average_faults"]


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
    if average.backbone is not None and "name" not in average.backbone.model_fields_set:
        hint = f"name it: {recipe.backbone.name!r} is the first network"
        faults.append(Fault(("average", "backbone", "name"), None, "a backbone's name", hint))
    words, wrong = check_augmentation(average.augmentation.options)
    faults += [Fault(("average", *one.path), one.received, one.expected, one.hint) for one in wrong]
    if average.views > 1 and not words:
        hint = "switch one on in average.augmentation, or leave views out"
        faults.append(Fault(("average", "views"), str(average.views), "1 without augmentation", hint))
    for key in ("sweep", "best"):
        if getattr(recipe, key) is not None:
            faults.append(Fault((key,), None, f"no {key} with [average]"))
    return faults
