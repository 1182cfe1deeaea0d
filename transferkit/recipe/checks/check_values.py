"""Makes a recipe of merged values, or says all that is wrong with them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from transferkit.errors import UserError
from transferkit.recipe._model import Section
from transferkit.recipe.checks.components import check_augmentation, check_component, check_optimizer
from transferkit.recipe.checks.cross_checks import cross_check, unknown_card
from transferkit.recipe.faults import Fault, from_pydantic, lines, shown
from transferkit.recipe.merge import Origin, expand, merge
from transferkit.recipe.overrides import nest, split_key
from transferkit.recipe.phases import Phase, TrainingSection
from transferkit.recipe.recipe import NAMED, Recipe, resolve_phase
from transferkit.recipe.sections import Range
from transferkit.recipe.toml_positions import Path
from transferkit.recipe_limits import MOST_TRIALS, MOST_VALUES_TRIED
from transferkit.type_names import NamedValues

__all__ = ["RecipeError", "check", "faults_alone"]

# Keys that `false` switches off; inside, that is None.
_SWITCHES = ("early_stopping", "ema", "gradient_clipping", "time_budget")


class RecipeError(UserError):
    """Faults of a recipe's own values.

    Attributes:
        sound: the recipe without the keys, or else the tables, that have faults, to find the others that it
            has; None where nothing is left to check.
    """

    def __init__(self, sound: Recipe | None, *faults: str) -> None:
        super().__init__(*faults)
        self.sound = sound


def check(values: NamedValues, origins: dict[Path, Origin]) -> Recipe:
    """Makes a recipe of merged values.

    Raises:
        RecipeError: all faults of the values.
    """
    whole = _switched(values)
    odd = list(_undecodable(whole, ()))
    if odd:
        raise RecipeError(None, *lines(odd, origins))
    recipe, faults = _each(whole)
    faults += _phase_faults(whole, {one.path for one in faults})
    # What is right so far can still be at odds with itself.
    sound = recipe if recipe is not None and not faults else _without(whole, faults)
    if sound is not None:
        faults += cross_check(sound)
    if recipe is not None and not faults:
        faults = _sweep_faults(recipe)
    if recipe is None or faults:
        # Without other faults this is said when the run is to start: a finished one needs no card.
        table = whole.get("backbone")
        name = table.get("name") if isinstance(table, dict) else None
        faults += unknown_card(name) if isinstance(name, str) else []
        sound = _without(whole, faults)
        if sound is not None:
            sound._origins = origins
        raise RecipeError(sound, *lines(faults, origins))
    recipe._origins = origins
    return recipe


def faults_alone(values: NamedValues, origins: dict[Path, Origin]) -> list[str]:
    """The faults that values have by themselves, however they go together."""
    _, faults = _each(_switched(values))
    return lines(faults, origins)


def _undecodable(value: Any, path: Path) -> Iterator[Fault]:
    """Text that no recipe file can hold: names of files, from the command line, that are no UTF-8."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            received = value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            yield Fault(path, received, "text in UTF-8", "rename it, or give a symbolic link to it")
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _undecodable(one, (*path, key))
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _undecodable(one, (*path, index))


def _each(whole: NamedValues) -> tuple[Recipe | None, list[Fault]]:
    """The faults that values have by themselves, and the recipe where there are none among its own keys."""
    faults = _components(whole)
    try:
        return Recipe.model_validate_json(json.dumps(whole), strict=True), faults
    except ValidationError as error:
        return None, from_pydantic(error, Recipe) + faults


def _without(whole: NamedValues, faults: list[Fault]) -> Recipe | None:
    """The recipe without the keys that have faults, or None where that is none."""
    paths = {one.path for one in faults if one.path}
    bad = {str(path[0]) for path in paths}
    # Keys beside a wrong one are left where they mean the same without it; else the whole table goes.
    separate = {key for key, field in Recipe.model_fields.items() if _is_separate(field.annotation)}
    for kept in (separate, set[str]()):
        left = {key: value for key, value in whole.items() if key not in bad}
        for key in sorted(bad.intersection(kept)):
            table: Any = whole.get(key)
            wrong = {path[1] for path in paths if path[0] == key and len(path) > 1}
            if isinstance(table, dict):
                left[key] = {name: value for name, value in table.items() if name not in wrong}
        try:
            return Recipe.model_validate_json(json.dumps(left), strict=True)
        except ValidationError:
            continue
    return None


def _is_separate(section: Any) -> bool:
    """Whether each key of a section means the same whatever stands beside it."""
    return isinstance(section, type) and issubclass(section, Section) and section.separate_keys


def _switched(values: NamedValues) -> NamedValues:
    """``false`` for what can be switched off becomes None, at the top and in phases."""
    made = {key: None if key in _SWITCHES and value is False else value for key, value in values.items()}
    phases: Any = made.get("phases")
    if isinstance(phases, list):
        made["phases"] = [_switched(one) if isinstance(one, dict) else one for one in phases]
    return made


def _components(whole: NamedValues) -> list[Fault]:
    """Checks all tables that name a component, and fills their defaults in; phases stay as they are."""
    faults: list[Fault] = []
    for key, (tag, kind) in {"head": ("kind", "heads"), **NAMED}.items():
        faults += _fill(whole, key, tag, kind, (key,))
    table = whole.get("augmentation")
    if isinstance(table, dict):
        whole["augmentation"], found = check_augmentation(table)
        faults += found
    phases: Any = whole.get("phases")
    for number, phase in enumerate(phases if isinstance(phases, list) else []):
        if not isinstance(phase, dict):
            continue
        merged = resolve_phase({key: whole[key] for key in NAMED if isinstance(whole.get(key), dict)}, phase)
        for key, (tag, kind) in NAMED.items():
            if isinstance(phase.get(key), dict):
                found = _fill(merged, key, tag, kind, ("phases", number, key))
                own = phase[key]
                # What is wrong with a value from the top of the file has been said there.
                faults += [one for one in found if len(one.path) < 4 or one.path[3] in {*own, tag}]
    return faults


def _fill(whole: NamedValues, key: str, tag: str, kind: str, path: Path) -> list[Fault]:
    table = whole.get(key, {})
    if not isinstance(table, dict):
        return []
    model: Any = Recipe.model_fields[key].annotation
    name = table.get(tag, model.model_fields[tag].default)
    options = {one: value for one, value in table.items() if one != tag}
    if kind == "optimizers":
        filled, faults = check_optimizer(name, options, path)
    else:
        filled, faults = check_component(kind, name, options, path, tag)
    whole[key] = {tag: name, **filled}
    return faults


def _phase_faults(whole: NamedValues, known: set[Path]) -> list[Fault]:
    """Faults that show only when a phase is put together with the top of the file."""
    phases = whole.get("phases")
    if not isinstance(phases, list) or known or not all(isinstance(one, dict) for one in phases):
        return []
    top = {key: value for key, value in whole.items() if key in TrainingSection.model_fields}
    faults: list[Fault] = []
    for number, phase in enumerate(phases):
        try:
            Phase.model_validate_json(json.dumps(resolve_phase(top, phase)), strict=True)
        except ValidationError as error:
            faults += from_pydantic(error, Phase, ("phases", number))
    names = [phase["name"] for phase in phases if "name" in phase]
    for name in sorted({one for one in names if names.count(one) > 1}):
        faults.append(Fault(("phases",), shown(name), "each phase's name once"))
    return faults


def _sweep_faults(recipe: Recipe) -> list[Fault]:
    """Values of a sweep that no run could have: every one of them is tried on the recipe by itself."""
    if recipe.sweep is None:
        return []
    found = list(recipe.sweep.all_values.values())
    tried = sum(1 if isinstance(one, Range) else len(one) for one in found)
    if tried > MOST_VALUES_TRIED:
        expected = f"at most {MOST_VALUES_TRIED} values in all"
        return [Fault(("sweep", "values"), f"{tried:,} values", expected, "an interval { low, high } is one")]
    combinations = math.prod(3 if isinstance(one, Range) else len(one) for one in found)
    if recipe.sweep.method == "grid" and combinations > MOST_TRIALS:
        hint = 'method = "random" tries as many as trials says'
        return [Fault(("sweep", "values"), f"{combinations:,} trials", f"at most {MOST_TRIALS:,}", hint)]
    base = {key: value for key, value in recipe.values().items() if key != "sweep"}
    faults = []
    for key, values in recipe.sweep.all_values.items():
        ends = [values.low, values.high] if isinstance(values, Range) else values
        for value in ends:
            whole = isinstance(values, Range) and values.whole
            layer = expand(nest([(split_key(key), round(value) if whole else value)]))
            try:
                check(merge(base, layer, {}, lambda path: Origin("default")), {})
            except UserError as error:
                # The fault is worded for the key alone; here it stands within the sweep.
                body = error.faults[0].partition(": ")[2]
                faults.append(Fault(("sweep", "values", key), hint=body))
                break
    return faults
