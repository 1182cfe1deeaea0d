"""Features of the photos that a run was made from; files are opened only where the cache lacks them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from transferkit.data.splits.ledger import Ledger, Row
from transferkit.errors import UserError, fault
from transferkit.recipe import Recipe
from transferkit.runs.finished.run import Run
from transferkit.runs.folder.kept_features import FILE, read_kept
from transferkit.runs.folder.located import photo_file, photos_root, with_value
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress

if TYPE_CHECKING:
    from transferkit.runs.features.extractor import Extractor

__all__ = ["RunFeatures", "features_of_run"]


@dataclass(frozen=True)
class RunFeatures:
    """Photos of a run with their features.

    Attributes:
        rows: of the split ledger.
        paths: where each photo lies, or would lie.
        values: float32 ``[N, D]``.
    """

    rows: tuple[Row, ...]
    paths: tuple[str, ...]
    values: np.ndarray


def features_of_run(
    run: Run,
    extractor: Extractor,
    progress: Progress,
    splits: tuple[str, ...] = ("train",),
    data: str | os.PathLike[str] | None = None,
) -> RunFeatures:
    """Features of a run's own photos.

    Args:
        run: the run.
        extractor: of its network.
        progress: shows the photos.
        splits: which of them.
        data: where the photos lie now, if they moved.

    Raises:
        UserError: the cache lacks some, and their files are not found.
    """
    recipe = run.recipe if data is None else with_value(run.recipe, "data.path", os.fspath(data))
    ledger = Ledger.read(run.path / "split.csv")
    chosen = [number for number, row in enumerate(ledger.rows) if row.split in splits]
    rows = tuple(ledger.rows[number] for number in chosen)
    root = photos_root(recipe)
    paths = [str(photo_file(root, row.name)) for row in rows]
    if (run.path / FILE).exists():
        return RunFeatures(rows, tuple(paths), read_kept(run, ledger).values[chosen])
    values, _, failures = extractor.features(
        [(r.sha256, p) for r, p in zip(rows, paths, strict=True)], progress
    )
    if failures:
        # They lie where only their source knows: in an archive, or a folder that was sorted anew.
        known = _where_now(run, recipe, progress, len(failures))
        paths = [known.get(row.sha256, path) for row, path in zip(rows, paths, strict=True)]
        items = [(row.sha256, path) for row, path in zip(rows, paths, strict=True)]
        values, _, failures = extractor.features(items, progress)
    if failures:
        hint = f"{len(failures)} of {len(rows)} photos of the run are not found, such as {failures[0].path}"
        raise UserError(
            fault("data", str(recipe.data.path), None, f"{hint}; name their folder with --data DIR")
        )
    return RunFeatures(rows, tuple(paths), values)


def _where_now(run: Run, recipe: Recipe, progress: Progress, missing: int) -> dict[str, str]:
    """Content hash to file, of what the run's data is now."""
    try:
        images = prepare(recipe, progress)
    except UserError as error:
        hint = f"{missing} photos of the run are not in the cache; say where they are with --data DIR"
        raise UserError(fault("data", str(run.recipe.data.path), None, hint), *error.faults) from None
    return {row.sha256: path for row, path in zip(images.rows, images.paths, strict=True)}
