"""What a value from the command line or a call does where phases of the recipe say the same key themselves.

A key at the top of a recipe is the default of its phases, so a phase's own value stands. Said for this run
alone, a value that no phase takes would be a wish that nothing heeds: that is a fault; one that some phases
take is a note.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from transferkit.recipe.faults import Fault, dotted, shown
from transferkit.recipe.merge import EXCLUSIVE, TAGS
from transferkit.recipe.phases import TrainingSection
from transferkit.recipe.recipe import Recipe
from transferkit.recipe.toml_positions import Path

__all__ = ["own_values"]


def own_values(recipe: Recipe, layers: Sequence[Mapping[str, Any]]) -> tuple[list[Fault], list[str]]:
    """Finds values for all phases that phases have of their own.

    Args:
        recipe: with the layers over it.
        layers: what the command line and the call say, short forms written out.

    Returns:
        A fault for each value that no phase takes, a note for each that only some take.
    """
    faults: list[Fault] = []
    notes: list[str] = []
    phases = recipe.values().get("phases", [])
    names = [one.name for one in recipe.resolved_phases]
    said = [layer.get("phases") for layer in layers]
    for path, value in _leaves(layers).items():
        own = [number for number, phase in enumerate(phases) if _says(phase, path)]
        own = [number for number in own if not _asked(said, number, names[number], path)]
        if not own:
            continue
        keys = " ".join(f"--set phases.{names[number]}.{dotted(path)}=…" for number in own)
        which = ", ".join(names[number] for number in own)
        if len(own) < len(phases):
            notes.append(
                f"{dotted(path)} = {json.dumps(value)} is not for phase {which}, which the recipe gives its "
                f"own value: {keys}"
            )
            continue
        expected = "a value that some phase takes"
        faults.append(Fault(path, shown(value), expected, f"{which} of the recipe have their own: {keys}"))
    return faults, notes


def _leaves(layers: Sequence[Mapping[str, Any]]) -> dict[Path, Any]:
    found: dict[Path, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if key not in TrainingSection.model_fields:
                continue
            if key in TAGS and isinstance(value, dict):
                found.update({(key, inner): one for inner, one in value.items()})
            else:
                found[(key,)] = value
    return found


def _says(phase: Mapping[str, Any], path: Path) -> bool:
    """Whether a phase's own table has the key, or one that takes its place."""
    key = str(path[0])
    if len(path) == 1:
        return key in phase or EXCLUSIVE.get(key) in phase
    table = phase.get(key)
    return isinstance(table, dict) and (path[1] in table or TAGS[key] in table)


def _asked(said: Sequence[Any], number: int, name: str, path: Path) -> bool:
    """Whether the same command says the phase's value too."""
    tables = [one.get(which) for one in said if isinstance(one, dict) for which in (str(number), name)]
    tables += [one[number] for one in said if isinstance(one, list) and number < len(one)]
    return any(isinstance(table, dict) and path[0] in table for table in tables)
