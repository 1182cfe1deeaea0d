"""The features that a retraining would see, as a table for other programs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.code_permission import allowing
from transferkit.recipe import Recipe
from transferkit.runs.checks.preflight import checked_recipe
from transferkit.runs.features.embed import Embedding
from transferkit.runs.features.photos import Photo
from transferkit.runs.features.shards import open_first_phase
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress
from transferkit.type_names import Override

__all__ = ["export_features"]


def export_features(
    recipe: str | os.PathLike[str] | None = None,
    overrides: Sequence[Override] = (),
    *,
    data: str | os.PathLike[str] | None = None,
    quiet: bool = True,
    allow_code: bool = False,
    **values: Any,
) -> Embedding:
    """The features of a recipe's images, with label, split and content hash; found in the cache or computed.

    They are what the head of the recipe's first phase is given, before it is standardised, from the backbone
    as it is before training.

    Args:
        recipe: a recipe's name or file.
        overrides: as of :func:`transferkit.retrain`.
        data: the images.
        quiet: show no progress.
        allow_code: as of :func:`transferkit.retrain`.
        **values: top-level keys of the recipe.

    Raises:
        UserError: recipe or data cannot be used.
    """
    given = [] if data is None else [("data.path", os.fspath(data))]
    with allowing(allow_code):
        resolved = checked_recipe(recipe, [*given, *overrides], components=True, **values)
        return _export(resolved, Progress(quiet))


def _export(recipe: Recipe, progress: Progress) -> Embedding:
    images = prepare(recipe, progress)
    parts, network = open_first_phase(recipe, images, progress)
    from transferkit.training.cut_features import extract_features
    from transferkit.training.parts import features_of

    images, cut_features = extract_features(network.cut, parts.backbone.input_size, images, recipe, progress)
    with progress.stage("features", total=len(images)) as stage:
        batches = cut_features.in_order(np.arange(len(images)), images.labels)
        features = features_of(network, batches)
        stage.update(len(images))
    photos = [
        Photo(path, row.label, row.split, row.sha256)
        for path, row in zip(images.paths, images.rows, strict=True)
    ]
    return Embedding(tuple(photos), features, images.unreadable)
