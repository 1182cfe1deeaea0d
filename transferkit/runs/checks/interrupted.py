"""The recipe that an interrupted run was started with, which a resumed one keeps."""

from __future__ import annotations

import hashlib
from pathlib import Path

from transferkit.errors import UserError, fault
from transferkit.recipe import Recipe, admit_code, load
from transferkit.recipe.value_origins import diff
from transferkit.runs.extend.changes import FILE as EXTENDED
from transferkit.runs.folder.located import BEGUN, located, read_begun, read_paths, with_value
from transferkit.runs.folder.run_folder import RunFolder
from transferkit.runs.request import RunRequest

__all__ = ["interrupted_recipe"]


def interrupted_recipe(place: RunFolder, request: RunRequest) -> Recipe:
    """The recipe of the run that was interrupted there; only where its data lies may be said anew.

    Args:
        place: of the run.
        request: what the caller gave beside the place: nothing, or what the run was started with.

    Raises:
        UserError: no run was interrupted there, its recipe was changed since, or another one is asked for.
    """
    kept = _kept_recipe(place)
    beginning = kept.parent / {"sweep.toml": "trials", "choice.toml": "choice"}.get(kept.name, "")
    _check_kept(kept, beginning)
    stored = load(kept)
    found = admit_code(located(stored, read_paths(beginning), place.path))
    if not request.changes_recipe:
        return found
    reference = request.recipe if request.recipe is not None else kept
    given = admit_code(load(reference, request.overrides, **request.values))
    if given.data.path is not None:
        # Whether it is the same data is settled by its content.
        found = with_value(found, "data.path", given.data.path)
        given = with_value(given, "data.path", stored.data.path)
    if given != stored:
        hint = f"leave the recipe's options out, or start again with --overwrite; {_differing(given, stored)}"
        raise UserError(
            fault("--resume", None, None, f"the recipe is not that of the interrupted run: {hint}")
        )
    return found


def _kept_recipe(place: RunFolder) -> Path:
    """The file of the recipe; a sweep's own lies beside that of its best trial."""
    if not place.interrupted:
        hint = "it is finished" if place.occupied else "none was started there"
        raise UserError(fault("--resume", place.name, "an interrupted run", hint))
    if (place.partial / EXTENDED).exists():
        hint = "`transferkit extend` or `forget` was making it: give that command again, it starts over"
        raise UserError(fault("--resume", place.name, None, hint))
    for name in ("sweep.toml", "choice.toml", "recipe.toml"):
        if (place.partial / name).exists():
            return place.partial / name
    hint = "it was interrupted before anything was kept; start it again with --overwrite"
    raise UserError(fault("--resume", place.name, None, hint))


def _check_kept(kept: Path, beginning: Path) -> None:
    """Refuses a recipe that is not the one that the interrupted run was begun with."""
    if not (beginning / BEGUN).exists() and (kept.parent / "manifest.json").exists():
        return  # killed between its last file and its move to its place: the manifest says what it holds
    if hashlib.sha256(kept.read_bytes()).hexdigest() != read_begun(beginning).get("recipe_sha256"):
        hint = "it was changed since the run was begun; start again with --overwrite"
        raise UserError(fault("--resume", str(kept), None, hint))


def _differing(given: Recipe, stored: Recipe) -> str:
    """The first keys in which two recipes differ, with both values."""
    return "; ".join(f"{one.key} is {one.one!r}, was {one.other!r}" for one in diff(given, stored)[:5])
