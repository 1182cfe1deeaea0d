"""What a recipe may say that this version does not carry out yet: refused, never passed over in silence."""

from __future__ import annotations

from typing import Any, cast

from transferkit.augmentation import Pipeline, make_augmentation
from transferkit.errors import Faults, collect, fault
from transferkit.recipe import Recipe, check_card
from transferkit.registry import is_admitted, is_dotted, registry

__all__ = ["check_options", "check_supported"]


def check_supported(recipe: Recipe) -> None:
    """Refuses what a run would otherwise ignore, and a backbone that there is no card of.

    Raises:
        UserError: one line for each such value.
    """
    Faults(collect(lambda: check_card(recipe), lambda: check_options(recipe))).refuse()


def check_options(recipe: Recipe) -> None:
    """Refuses what a run would otherwise ignore, whatever its backbone is.

    Raises:
        UserError: one line for each such value.
    """
    faults = Faults()

    def refuse(place: str, received: object, expected: str) -> None:
        faults.append(fault(place, received, expected, "this version cannot do more"))

    pipeline = make_augmentation(recipe.augmentation)
    kind = recipe.head.kind
    known = kind if not is_dotted(kind) or is_admitted(kind) else "linear"  # its own code will tell
    head = cast(Any, registry("heads").get(known))
    if pipeline is not None and head.closed_form:
        faults += _without_epochs(recipe, pipeline)
    thresholds = recipe.head.options.get("thresholds", head.model_fields["thresholds"].default)
    if recipe.evaluation.precision and thresholds != "auto":
        expected = "nothing where head.thresholds says from when on each label counts"
        refuse("evaluation.precision", recipe.evaluation.precision, expected)
    faults.refuse()


def _without_epochs(recipe: Recipe, pipeline: Pipeline) -> list[str]:
    """What a head that is found at once, in no epochs, cannot do."""
    kind = recipe.head.kind
    faults = []
    if pipeline.changes_images and recipe.activations.views == 1:
        hint = f"the head {kind} is fitted once, on all views of the training images"
        faults.append(fault("activations.views", 1, "2 or more with augmentation", hint))
    if pipeline.mixes_images or pipeline.mixes_activations:
        hint = f"the head {kind} is fitted once, on unmixed images; a head such as linear trains on batches"
        faults.append(fault("augmentation", "mixing", "no mixing", hint))
    return faults
