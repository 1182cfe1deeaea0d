"""What has changed since a run was made: its files, data, weights, packages, recipe."""

from __future__ import annotations

import os
from pathlib import Path

from transferkit.code_permission import allowing
from transferkit.data.splits.previous_split import earlier_file
from transferkit.errors import UserError, fault
from transferkit.export.versions import versions
from transferkit.files import csv_files
from transferkit.files.checksum_manifest import NAME, read_manifest
from transferkit.recipe import admit_code, load
from transferkit.runs.folder.located import with_value
from transferkit.runs.folder.run_manifest import MadeFrom, differences, facts_of_run, file_changes, read_facts
from transferkit.runs.folder.run_on_disk import RunOnDisk
from transferkit.tensorflow_startup import start_tensorflow
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress

__all__ = ["changed_files", "verify_export", "verify_run", "version_of"]


def verify_run(
    run: RunOnDisk, data: str | os.PathLike[str] | None = None, allow_code: bool = False
) -> list[str]:
    """Compares a run's manifest with what is there now.

    Args:
        run: a finished run.
        data: where the images lie now, if they moved; a move alone is no change.
        allow_code: as of :func:`transferkit.retrain`; of the run's code only its backbone is needed.

    Returns:
        One line for each fact that changed; empty where running the recipe again would give this run.

    Raises:
        UserError: the manifest, the data or the weights are unavailable; says also which files changed.
    """
    then = {key: value for key, value in read_facts(run.path).items() if key != "paths"}
    changed = file_changes(run.path)
    try:
        return changed + differences(then, _facts_now(run, data, allow_code))
    except UserError as error:
        raise UserError(*(fault(str(run.path), hint=line) for line in changed), *error.faults) from None


def _facts_now(run: RunOnDisk, data: str | os.PathLike[str] | None, allow_code: bool) -> MadeFrom:
    recipe = run.recipe
    moved = recipe if data is None else with_value(recipe, "data.path", os.fspath(data))
    if recipe.data.ledger is not None and not earlier_file(recipe.data.ledger).is_file():
        # The run's own holds what it said of these images; that it is gone is a line of its own.
        moved = with_value(moved, "data.ledger", os.fspath(run.path))
    images = prepare(moved, Progress(quiet=True))
    # What the run set aside when it decoded the images is no part of its ledger.
    left_out = _quarantined(run)
    failed = [(index, "as in the run") for index, row in enumerate(images.rows) if row.name in left_out]
    images = images.without(failed)
    with allowing(allow_code):
        recipe = admit_code(recipe, components=False)
        start_tensorflow()
        from transferkit.backbones.composed import load_section

        weights = load_section(recipe.backbone, recipe.backbone.weights, recipe.seed).weights_sha256
    now = facts_of_run(recipe, images.ledger, images.classes, weights)
    # The recipe counts as it was written: that its files are found elsewhere is no change.
    now["recipe_sha256"] = load(run.path / "recipe.toml").sha256()
    return now


def _quarantined(run: RunOnDisk) -> set[str]:
    path = run.path / "quarantine.csv"
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return {row["path"] for row in csv_files.dict_rows(file)}
    except (OSError, KeyError, ValueError) as error:
        raise UserError(fault(str(path), hint=f"it cannot be read: {error}")) from None


def version_of(place: str | os.PathLike[str]) -> Path | None:
    """The newest version of an export that lies alone; None for a run, and where there is neither."""
    place = Path(place)
    if (place / "metrics.json").exists():
        return None
    found = [folder for folder in (place, *reversed(versions(place))) if (folder / NAME).is_file()]
    return found[0] if found else None


def changed_files(place: str | os.PathLike[str]) -> list[str]:
    """A line for each file of a run, or of the export of which this is a part, that is not as it was written.

    Raises:
        UserError: a manifest is damaged or, of a run, missing.
    """
    place = Path(place)
    if (place / "metrics.json").exists():
        return file_changes(place)
    version = version_of(place)
    return verify_export(version)[0] if version is not None else []


def verify_export(version: Path) -> tuple[list[str], list[str]]:
    """A line for each file of an exported version that changed, and the files that were added to it.

    Raises:
        UserError: its manifest is damaged.
    """
    manifest = read_manifest(version)
    assert manifest is not None  # noqa: S101 -- for the type checker: `version_of` looked
    return manifest.changes(), manifest.unknown()
