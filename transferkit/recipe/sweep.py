"""The trials of a sweep: which values each run has. A pure function of the recipe."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

from transferkit.recipe.checks.check_values import check
from transferkit.recipe.merge import Origin, expand, merge
from transferkit.recipe.overrides import nest, split_key
from transferkit.recipe.recipe import Recipe
from transferkit.recipe.sections import Range

__all__ = ["trial_recipe", "trials"]


def trials(recipe: Recipe) -> list[list[tuple[str, Any]]]:
    """The overrides of each run of the recipe's ``[sweep]``, in a fixed order.

    A grid has every combination, the last key changing fastest. A random sweep draws each key by itself from
    the recipe's seed: the first trials stay the same when there are to be more of them, so a sweep can be
    extended.

    Returns:
        For each trial, pairs of a dotted key and its value, as :func:`transferkit.recipe.load` takes them; no
        trials without a sweep.

    Raises:
        ValueError: the method draws from what was measured, so it cannot be listed beforehand.
    """
    sweep = recipe.sweep
    if sweep is None or not sweep.all_values:
        return []
    if sweep.method == "optuna":
        raise ValueError("optuna chooses each trial by the ones before it")
    if sweep.method == "grid":
        columns = [_steps(values) for values in sweep.all_values.values()]
        rows = itertools.product(*columns)
        return [list(zip(sweep.all_values, row, strict=True)) for row in rows]
    found = []
    for number in range(sweep.trials):
        draws = random.Random(f"{recipe.seed}/{number}")
        found.append([(key, _draw(values, draws)) for key, values in sweep.all_values.items()])
    return found


def trial_recipe(recipe: Recipe, values: list[tuple[str, Any]]) -> Recipe:
    """The recipe of one trial: the sweep's without the sweep, with these values.

    Args:
        recipe: the recipe with its sweep.
        values: pairs of a dotted key and its value.

    Raises:
        UserError: no run could have these values together.
    """
    base = {key: value for key, value in recipe.values().items() if key not in ("sweep", "best")}
    origins = dict(recipe.origins)
    for key, value in values:
        # One after the other: a head's kind comes before the arguments that only this kind has.
        base = merge(base, expand(nest([(split_key(key), value)])), origins, lambda path: Origin("sweep"))
    return check(base, origins)


def _steps(values: Any) -> list[Any]:
    """The values of a grid; an interval gives its ends and the middle."""
    if not isinstance(values, Range):
        return list(values)
    middle = math.sqrt(values.low * values.high) if values.log else (values.low + values.high) / 2
    return [_whole(one, values) for one in (values.low, middle, values.high)]


def _draw(values: Any, draws: random.Random) -> Any:
    if not isinstance(values, Range):
        return draws.choice(list(values))
    if values.log:
        return _whole(math.exp(draws.uniform(math.log(values.low), math.log(values.high))), values)
    return _whole(draws.uniform(values.low, values.high), values)


def _whole(value: float, values: Range) -> float | int:
    return round(value) if values.whole else value
