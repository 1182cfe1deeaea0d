"""The packages, files and folders that a recipe's networks and their weights come from."""

from __future__ import annotations

from pathlib import Path

from transferkit.backbones.weights.fetched import SITES
from transferkit.backbones.weights.given_path import PRETRAINED, given_path
from transferkit.backbones.weights.packaged import packaged_file
from transferkit.errors import Faults, UserError, fault
from transferkit.find_card import card_of
from transferkit.packages import installed
from transferkit.recipe import Recipe
from transferkit.recipe.checks.cross_checks import unknown_card

__all__ = ["check_backbone"]

# The schemes of backbones that are files or folders, and what the one that is not there should have been.
_PATHS = {"keras_file": "a .keras or .h5 file", "saved_model": "the folder of a SavedModel"}


def check_backbone(recipe: Recipe) -> None:
    """Makes sure of what the backbone, those joined to it, and their weights need: packages, files, folders.

    Raises:
        UserError: what is missing, or what is wrong with their cards.
    """
    faults = Faults()
    with faults.caught():
        _check_one(recipe.backbone.name, recipe.backbone.weights)
    for name in recipe.backbone.join:
        with faults.caught(lambda line: line.replace("backbone:", "backbone.join:", 1)):
            _check_one(name, recipe.backbone.weights)
    faults.refuse()


def _check_one(name: str, weights: str) -> None:
    if unknown_card(name):
        return  # said already
    card = card_of(name)
    handle = name if card is None else card.handle
    if handle is not None:
        _check_handle(handle, card.path.parent if card is not None else Path(), name)
    elif weights not in (*PRETRAINED, "random"):
        given_path(weights)
    elif weights in PRETRAINED and card is not None and card.weights is not None and card.weights.package:
        packaged_file(card)


def _check_handle(handle: str, beside: Path, name: str) -> None:
    scheme, _, rest = handle.partition(":")
    if scheme == "keras_hub" and not installed("keras_hub"):
        hint = "pip install 'transferkit[keras-hub]'"
        raise UserError(fault("backbone", name, "the package keras_hub, which is not installed", hint))
    if scheme in SITES and not installed(SITES[scheme][0]):
        package, extra = SITES[scheme]
        hint = f"pip install 'transferkit[{extra}]'"
        raise UserError(fault("backbone", name, f"the package {package}, which is not installed", hint))
    if scheme in _PATHS:
        path = beside / Path(rest).expanduser()
        if not (path.is_file() if scheme == "keras_file" else path.is_dir()):
            hint = "no such file" if scheme == "keras_file" else "no such folder"
            raise UserError(fault("backbone", name, _PATHS[scheme], hint))
