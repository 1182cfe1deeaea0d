"""What a recipe may say that this version does not carry out yet: refused, never passed over in silence."""

from __future__ import annotations

from transferkit.augmentation import make_augmentation
from transferkit.errors import UserError, fault
from transferkit.recipe import Recipe

__all__ = ["check_supported"]


def check_supported(recipe: Recipe) -> None:
    """Refuses what a run would otherwise ignore.

    Raises:
        UserError: one line for each such value.
    """
    faults = []

    def refuse(place: str, received: object, expected: str) -> None:
        faults.append(fault(place, received, expected, "this version cannot do more"))

    pipeline = make_augmentation(recipe.augmentation)
    if pipeline is not None and pipeline.changes_images and recipe.activations.views == 1:
        refuse(
            "activations.views",
            1,
            "2 or more with augmentation, so that the frozen part still runs once a view",
        )
    if pipeline is not None and pipeline.mixes_images:
        refuse("augmentation", "mixing of images", 'mixing with at = "cut"')
    if recipe.head.options.get("multi_label") or recipe.head.kind == "multi_label":
        for key in ("calibrate", "precision"):
            if getattr(recipe.evaluation, key):
                refuse(f"evaluation.{key}", getattr(recipe.evaluation, key), "nothing with several labels")
    for key in ("mlflow", "wandb"):
        if getattr(recipe.tracking, key):
            refuse(f"tracking.{key}", True, "false; TensorBoard's event files are always written")
    if recipe.sweep is not None:
        refuse("sweep", "a table", "none")
    if faults:
        raise UserError(*faults)
