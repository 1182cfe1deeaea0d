"""The files that a run's recipe names, found again from any folder, and after run and data moved together.

The recipe keeps each path as it was written. The manifest has it whole, and as it lies from the run.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from transferkit.data.file_names import from_shown
from transferkit.errors import UserError
from transferkit.files.checksum_manifest import read_manifest
from transferkit.recipe import Recipe
from transferkit.type_names import NamedValues

__all__ = [
    "BEGUN", "located", "photo_file", "photos_root", "read_begun", "read_paths", "record_paths", "with_value"
]  # fmt: skip

# Keys that may hold the path of a file or folder; some of them behind a word such as `saved_model:`.
_KEYS = (
    "data.path",
    "data.ledger",
    "data.edits",
    "data.root",
    "data.classes",
    "backbone.name",
    "backbone.weights",
    "average.backbone.name",
    "average.backbone.weights",
)
# Keys of several such values, which are known by their place in the list: `evaluation.other_data.0`.
_LISTS = ("backbone.join", "average.backbone.join", "evaluation.other_data")
_WORDS = ("card:", "hub:", "keras_file:", "saved_model:")

# Of a run that is not finished: its classes, the hash of its backbone's weights, its paths.
BEGUN = "begun.json"

Paths = dict[str, dict[str, str]]


def record_paths(recipe: Recipe, run: Path) -> Paths:
    """Where the files that a recipe names are.

    Args:
        recipe: with paths as the user wrote them, from the current folder.
        run: the folder of the run.

    Returns:
        Ready for JSON: key to the ``absolute`` path and the one ``from_run``. Values that are no path of
        something that exists, such as the name of a card, are left out.
    """
    found = {}
    for key in _keys(recipe):
        value = _value(recipe, key)
        _, path = _split(value)
        absolute = os.path.abspath(os.path.expanduser(path))
        # What lies in the run's own folder will be there once that has its name.
        own = absolute.startswith(os.path.join(os.path.abspath(run), ""))
        if not path or not (own or os.path.exists(absolute)):
            continue
        found[key] = {"absolute": absolute}
        try:
            found[key]["from_run"] = os.path.relpath(absolute, os.path.abspath(run))
        except ValueError:  # on another drive
            continue
    return found


def read_paths(folder: Path) -> Paths:
    """What :func:`record_paths` gave when the run began; nothing where that cannot be read."""
    found = read_begun(folder).get("paths")
    if found is None:
        try:
            manifest = read_manifest(folder)
        except UserError:
            manifest = None
        found = manifest.facts.get("paths") if manifest is not None else None
    return found if isinstance(found, dict) else {}


def read_begun(folder: Path) -> NamedValues:
    """What a run that is not finished was begun with; nothing where that cannot be read."""
    try:
        found = json.loads((folder / BEGUN).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def located(recipe: Recipe, paths: Paths, run: Path) -> Recipe:
    """The recipe with its paths as they are found now.

    A path that still leads to the same place from the current folder stays as it is written. Otherwise the
    absolute path is taken, or the one from the run where that is gone.

    Args:
        recipe: of the run.
        paths: what :func:`record_paths` gave.
        run: the folder of the run, as it is now.
    """
    known = _keys(recipe)
    for key, places in paths.items():
        if key not in known or not isinstance(places, dict) or "absolute" not in places:
            continue
        word, written = _split(_value(recipe, key))
        absolute = str(places["absolute"])
        same = os.path.abspath(os.path.expanduser(written)) == absolute
        if not written or (same and os.path.exists(absolute)):
            continue
        candidates = [absolute]
        if "from_run" in places:
            candidates.append(os.path.normpath(os.path.join(os.path.abspath(run), str(places["from_run"]))))
        there = next((path for path in candidates if os.path.exists(path)), None)
        if there is None:
            # As it is written it may be another thing of the same name, and is the last that is tried.
            there = written if os.path.exists(written) else absolute
        recipe = with_value(recipe, key, word + there)
    return recipe


def photos_root(recipe: Recipe) -> Path:
    """The folder that the names of a run's photos start from, whether it is there or not."""
    if recipe.data.root is not None:
        return Path(recipe.data.root)
    path = Path(recipe.data.path or ".")
    return path if path.is_dir() or not path.suffix else path.parent


def photo_file(root: Path, name: str) -> Path:
    """Where a photo lies that the split ledger names, whatever bytes its name has.

    Args:
        root: of :func:`photos_root`.
        name: as the ledger has it: a byte that is no UTF-8 stands there as ``\\xNN``.
    """
    path = root / name
    return path if "\\x" not in name or path.exists() else root / from_shown(name)


def with_value(recipe: Recipe, key: str, value: Any) -> Recipe:
    """The recipe with another value for one key.

    Args:
        recipe: a resolved recipe.
        key: ``section.field``, ``section.table.field``, and of a list with the place: ``backbone.join.0``.
        value: of that field's type.
    """
    changed: Recipe = _replaced(recipe, key.split("."), value)
    return changed


def _keys(recipe: Recipe) -> list[str]:
    """The keys that may hold a path, one each of those that hold several."""
    places = (f"{key}.{place}" for key in _LISTS for place in range(len(_value(recipe, key) or ())))
    return [*_KEYS, *places]


def _value(recipe: Recipe, key: str) -> Any:
    """What stands there; None where a table on the way to it is not given."""
    value: Any = recipe
    for part in key.split("."):
        value = value[int(part)] if isinstance(value, tuple) else getattr(value, part, None)
    return value


def _replaced(holder: Any, parts: list[str], value: Any) -> Any:
    """A table or a list with another value at the end of a path."""
    first, *rest = parts
    if isinstance(holder, tuple):
        place = int(first)
        return (
            *holder[:place],
            _replaced(holder[place], rest, value) if rest else value,
            *holder[place + 1 :],
        )
    inner = _replaced(getattr(holder, first), rest, value) if rest else value
    return holder.model_copy(update={first: inner})


def _split(value: Any) -> tuple[str, str]:
    """The word in front, and the path; no path for what is no text."""
    if not isinstance(value, str):
        return "", ""
    word = next((word for word in _WORDS if value.startswith(word)), "")
    return word, value[len(word) :]
