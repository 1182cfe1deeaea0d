"""What has changed since a run was made: data, weights, packages, recipe."""

from __future__ import annotations

import json
import os
from typing import Any

from transferkit import csv_files
from transferkit.data.earlier import earlier_file
from transferkit.errors import UserError, fault
from transferkit.permission import allowing
from transferkit.recipe import admit_code, load
from transferkit.runs.lock import differences, make_lock
from transferkit.runs.prepare import prepare
from transferkit.runs.progress import Progress
from transferkit.runs.start import start_tensorflow

__all__ = ["verify_run"]


def verify_run(run: Any, data: str | os.PathLike[str] | None = None, allow_code: bool = False) -> list[str]:
    """Compares a run's lock file with what is there now.

    Args:
        run: a finished run.
        data: where the images lie now, if they moved; a move alone is no change.
        allow_code: as of :func:`transferkit.retrain`; of the run's code only its backbone is needed.

    Returns:
        One line for each fact that changed; empty where running the recipe again would give this run.

    Raises:
        UserError: the lock file, the data or the weights are not to be had.
    """
    file = run.path / "lock.json"
    try:
        then = json.loads(file.read_text("utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(fault(str(file), mend=f"the lock file cannot be read: {error}")) from None
    recipe = run.recipe
    changes: list[tuple[str, Any]] = [] if data is None else [("data.path", os.fspath(data))]
    if recipe.data.ledger is not None and not earlier_file(recipe.data.ledger).is_file():
        # The run's own holds what it said of these images; that it is gone is a line of its own.
        changes.append(("data.ledger", os.fspath(run.path)))
    moved = load(run.path / "recipe.toml", changes) if changes else recipe
    images = prepare(moved, Progress(quiet=True))
    # What the run set aside when it decoded the images is no part of its ledger.
    left_out = _quarantined(run)
    failed = [(index, "as in the run") for index, row in enumerate(images.rows) if row.name in left_out]
    images = images.without(failed, most=1.0)
    with allowing(allow_code):
        recipe = admit_code(recipe, components=False)
        start_tensorflow()
        from transferkit.backbones import load_backbone

        section = recipe.backbone
        backbone = load_backbone(
            section.name, section.weights, section.input_size, seed=recipe.seed, **section.options
        )
        weights = backbone.weights_sha256
    return differences(then, make_lock(recipe, images.ledger, images.classes, weights))


def _quarantined(run: Any) -> set[str]:
    with open(run.path / "quarantine.csv", newline="", encoding="utf-8") as file:
        return {row["path"] for row in csv_files.dict_rows(file)}
