"""The default backbone where the package of its weights is missing: the embedded one stands in for it.

Only a backbone that nobody named gives way: one that a user or a file of the user's names is loaded or fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transferkit.errors import UserError
from transferkit.find_card import card_of
from transferkit.packages import distributed
from transferkit.recipe.find import is_shipped

if TYPE_CHECKING:
    from transferkit.recipe.recipe import Recipe

__all__ = ["STAND_IN", "missing_package"]

STAND_IN = "embedded"

_NAME = ("backbone", "name")


def missing_package(recipe: Recipe) -> str | None:
    """The package that the backbone of a recipe has its weights from, where it is missing and nobody named
    the backbone; else None."""
    origin = recipe.origins.get(_NAME)
    if origin is not None and not (origin.file is not None and is_shipped(origin.file)):
        return None
    backbone = recipe.backbone
    if backbone.options or backbone.weights not in ("imagenet", "pretrained"):
        return None  # what these mean for the one network they do not mean for the other
    try:
        card = card_of(backbone.name)
    except UserError:
        return None  # said when the run is to start
    package = card.weights.package if card is not None and card.weights is not None else None
    return None if package is None or distributed(package) else package
