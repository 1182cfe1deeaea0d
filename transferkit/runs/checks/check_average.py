"""The second network of a recipe, whose answers are averaged with the first one's: checked before the run."""

from __future__ import annotations

from typing import Any, cast

from transferkit.errors import Faults, fault
from transferkit.recipe import Recipe, check_card
from transferkit.recipe.averaging import second_recipe
from transferkit.registry import is_dotted, registry
from transferkit.runs.checks.check_backbone import check_backbone
from transferkit.runs.checks.supported import check_options

__all__ = ["check_average"]

_SIZE = (224, 224)  # of images, where the recipe does not say it: nothing here depends on it
# Keys of the second network's own recipe, and where they stand in the recipe that has it.
_PLACES = {
    "activations.views": "average.views",
    "backbone": "average.backbone",
    "head": "average.head",
    "augmentation": "average.augmentation",
}


def check_average(recipe: Recipe) -> None:
    """Checks the second network as the first one is checked: it is made when all phases are trained.

    Raises:
        UserError: all that is wrong with it, at the keys of ``[average]``.
    """
    if recipe.average is None:
        return
    faults = Faults()
    kind = recipe.head.kind
    if not is_dotted(kind) and cast(Any, registry("heads").get(kind)).closed_form:
        hint = "one that is fitted at once chooses and averages its candidates by itself"
        faults.append(fault("head.kind", kind, "a head that is trained, with [average]", hint))
    with faults.caught(_placed):
        second = second_recipe(recipe, recipe.backbone.input_size or _SIZE)
        checks = [check_options]
        if recipe.average.backbone is not None:  # else it is the first network's, which is checked as such
            checks += [check_card, check_backbone]
        for check in checks:
            with faults.caught(_placed):
                check(second)
    faults.refuse()


def _placed(line: str) -> str:
    """A fault of the second network's recipe, at the key of ``[average]`` that it comes from."""
    for own, there in _PLACES.items():
        if line.startswith((f"{own}.", f"{own}:")):
            return there + line.removeprefix(own)
    return line
