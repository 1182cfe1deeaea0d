"""Where each value of a recipe came from, and in what two recipes differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transferkit.recipe.faults import dotted
from transferkit.recipe.merge import Origin
from transferkit.recipe.recipe import Recipe
from transferkit.recipe.toml_positions import Path

__all__ = ["Difference", "Explained", "diff", "explain", "flat"]


@dataclass(frozen=True)
class Explained:
    """One value: its key, the value, and where it came from in words."""

    key: str
    value: Any
    origin: str


@dataclass(frozen=True)
class Difference:
    """One key in which two recipes differ; None where a recipe does not have it."""

    key: str
    one: Any
    other: Any


def flat(recipe: Recipe) -> dict[Path, Any]:
    """All values of a recipe by their paths, in the order of the file."""
    return dict(_leaves(recipe.values(), ()))


def explain(recipe: Recipe) -> list[Explained]:
    """Each value of a recipe with its origin: default, parent, file and line, command line, call.

    Args:
        recipe: as :func:`transferkit.load_recipe` gives it.
    """
    origins = recipe.origins
    return [
        Explained(dotted(path), value, str(_origin(path, origins))) for path, value in flat(recipe).items()
    ]


def diff(one: Recipe, other: Recipe) -> list[Difference]:
    """The keys in which two recipes differ, in the order of the file; name and description are left out.

    Args:
        one: as :func:`transferkit.load_recipe` gives it.
        other: the recipe that it is compared with.
    """
    here, there = flat(one), flat(other)
    found = []
    for path in {**here, **there}:
        before, after = here.get(path), there.get(path)
        if before != after and path not in (("name",), ("description",)):
            found.append(Difference(dotted(path), before, after))
    return found


def _leaves(value: Any, path: Path) -> list[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, (*path, key))]
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return [leaf for number, inner in enumerate(value) for leaf in _leaves(inner, (*path, number))]
    return [(path, value)]


def _origin(path: Path, origins: Mapping[Path, Origin]) -> Origin:
    if path in origins:
        return origins[path]
    # The items of an array were said with the array; the rest of a table was filled in.
    around = [path[:end] for end in range(len(path) - 1, 0, -1)]
    for outer in around:
        if outer in origins and any(isinstance(part, int) for part in path[len(outer) :]):
            return origins[outer]
    return Origin("default")


def as_text(value: Any) -> str:
    """A value in one line, as TOML and JSON both have it."""
    return "-" if value is None else json.dumps(value, ensure_ascii=False)
