"""The recipe of a run that is made from another one, and the list of photos that it names as its data."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from transferkit.data.file_names import shown
from transferkit.export.formats import load_format
from transferkit.files.whole_file import whole_file
from transferkit.recipe import Recipe
from transferkit.training.images import Images

__all__ = ["LISTED", "extended_recipe", "from_common_root", "write_list"]

# Lists the photos of an extended run, wherever they lie; its recipe names it as the data.
LISTED = "images.jsonl"


def extended_recipe(
    recipe: Recipe, listed: Path, root: str, images: Images, closed: bool
) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe of the new run, and what of it is other than expected.

    Args:
        recipe: of the earlier run.
        listed: where the list of photos will lie.
        root: the folder that their names begin at.
        images: of the new run.
        closed: the head is fitted at once.
    """
    values = recipe.values()
    notes = []
    values.pop("sweep", None)
    for key in ("ledger", "edits", "columns", "encoding", "path_suffix"):
        values["data"].pop(key, None)
    values["data"] |= {"path": str(listed), "root": root, "classes": list(images.classes)}
    if not closed:
        # The backbone stays as it is: what is kept are its features.
        first = values.pop("phases", [{}])[0]
        first.pop("name", None)
        values |= {**first, "freeze": "all"}
    formats = [name for name in recipe.export.formats if not getattr(load_format(name), "PHOTOS", False)]
    if len(formats) < len(recipe.export.formats) and not any(map(os.path.isfile, images.paths)):
        gone = ", ".join(name for name in recipe.export.formats if name not in formats)
        notes.append(f"{gone} is left out: it is measured on photos, and none of the run's are there")
        values["export"]["formats"] = formats
    known = set(images.classes)
    others = recipe.evaluation.other_data
    there = [place for place in others if os.path.exists(place)]
    if len(there) < len(others):
        notes.append(f"{', '.join(one for one in others if one not in there)}: is gone, and not measured")
        values["evaluation"]["other_data"] = there
    demanded = {
        key: value
        for key, value in recipe.evaluation.fail_under.items()
        if "." not in key or key.partition(".")[2] in known
    }
    if demanded != recipe.evaluation.fail_under:
        notes.append("gates on classes that are gone are left out")
        values["evaluation"]["fail_under"] = demanded
    return Recipe.model_validate_json(json.dumps(values), strict=True), tuple(notes)


def from_common_root(images: Images) -> tuple[str, Images]:
    """The deepest folder above all photos, and the images with names that begin there."""
    root = _root(images.paths)
    rows = tuple(
        replace(row, name=shown(_name(path, root)))
        for row, path in zip(images.rows, images.paths, strict=True)
    )
    return root, replace(images, rows=rows)


def write_list(file: Path, images: Images) -> None:
    """Writes the photos as a manifest, so that the run's recipe leads to them as any recipe does."""
    root = _root(images.paths)
    with whole_file(file) as beside, open(beside, "w", encoding="utf-8") as opened:
        for number, row in enumerate(images.rows):
            group = images.groups[number] if images.groups else ""
            named = group.removeprefix("group:") if group.startswith("group:") else ""
            label = {"labels": json.loads(row.label)} if images.multi_label else {"label": row.label}
            path = _name(images.paths[number], root)
            # Escaped throughout: a name may have bytes that are no UTF-8.
            opened.write(json.dumps({"path": path, **label, "split": row.split, "group": named}) + "\n")


def _root(paths: Sequence[str]) -> str:
    absolute = [os.path.abspath(path) for path in paths]
    found = os.path.commonpath(absolute)
    return found if found not in absolute else os.path.dirname(found)


def _name(path: str, root: str) -> str:
    return Path(os.path.relpath(os.path.abspath(path), root)).as_posix()
