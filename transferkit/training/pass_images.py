"""Images on their way through the frozen prefix of a cut, and the cache that keeps what it gives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.activations.compute import Activations, compute, keep
from transferkit.activations.compute_settings import ComputeSettings
from transferkit.activations.row_columns import Columns
from transferkit.activations.side_by_side import SideBySide
from transferkit.activations.views import Views
from transferkit.data.pixels.decoding import Decoding
from transferkit.devices import choose_devices
from transferkit.recipe import Recipe
from transferkit.training.images import Images
from transferkit.training.progress import Progress

if TYPE_CHECKING:
    from transferkit.backbones.backbone import Cut

__all__ = ["cut_rows", "keep_rows", "kept_rows", "pass_images"]


def pass_images(
    cut: Cut,
    size: tuple[int, int],
    images: Images,
    chosen: np.ndarray,
    recipe: Recipe,
    progress: Progress,
    views: Views | None = None,
) -> Activations:
    """What the frozen prefix gives for some of the images, found in the cache or computed.

    Args:
        cut: the frozen prefix.
        size: height and width in pixels.
        images: of the run.
        chosen: int64 ``[M]``: which of them.
        recipe: says which engine, which cache.
        progress: shows them.
        views: augmented views to pass instead of the images themselves.
    """
    if cut.kept_parts:
        return _side_by_side(cut, size, images, chosen, recipe, progress, views)
    dtype = recipe.activations.dtype
    return cut_rows(cut, kept_rows(cut, size, images, chosen, recipe, progress, dtype, views), progress)


def _side_by_side(
    cut: Cut,
    size: tuple[int, int],
    images: Images,
    chosen: np.ndarray,
    recipe: Recipe,
    progress: Progress,
    views: Views | None,
) -> Activations:
    """As of :func:`pass_images`, for several networks: each passes, and is kept, by itself."""
    sources: list[list[tuple[Any, np.ndarray]]] = []
    passed: list[Activations] = []
    for part in cut.kept_parts:
        section = recipe.backbone.model_copy(update={"name": part.name})
        named = recipe.model_copy(update={"backbone": section})
        own = []
        for one in (part.cut, part.mirrored):
            if one is None:
                continue
            found = pass_images(one, size, images, chosen, named, progress, views)
            array = found.array if part.columns is None else Columns(found.array, part.columns)
            own.append((array, found.rows.reshape(-1)))
            passed.append(found)
        sources.append(own)
    joined = SideBySide(sources)
    rows = np.arange(len(joined)).reshape(passed[0].rows.shape)
    for found in passed:
        rows[found.rows < 0] = -1
    failures = {one.index: one for found in passed for one in found.failures}
    stats = [one.stats for one in passed]
    total = replace(
        stats[0],
        computed=max(one.computed for one in stats),
        found=min(one.found for one in stats),
        seconds=sum(one.seconds for one in stats),
        bytes=sum(one.bytes for one in stats),
    )
    return Activations(rows, joined, tuple(failures[index] for index in sorted(failures)), total)


def kept_rows(
    cut: Cut,
    size: tuple[int, int],
    images: Images,
    chosen: np.ndarray,
    recipe: Recipe,
    progress: Progress,
    dtype: str,
    views: Views | None = None,
) -> Activations:
    """As :func:`pass_images`, with rows as the cache keeps them, which may be those of several cuts.

    Args:
        cut, size, images, chosen, recipe, progress, views: as there.
        dtype: ``"float32"``, ``"float16"`` or ``"auto"``.
    """
    items = [(images.rows[index].sha256, images.paths[index]) for index in chosen]
    name = "images" if views is None else "views"
    with progress.stage(name, total=len({sha256 for sha256, _ in items})) as stage:
        return compute(
            cut if cut.kept_as is None else cut.kept_as,
            items,
            Decoding.of(recipe.data, size),
            replace(_settings(cut, recipe), dtype=dtype),
            views=views,
            progress=lambda done, total: stage.update(done),
            say=progress.say,
        )


def keep_rows(
    cut: Cut,
    size: tuple[int, int],
    images: Images,
    chosen: np.ndarray,
    rows: np.ndarray,
    recipe: Recipe,
) -> None:
    """Puts rows into the cache that another worker has computed.

    Args:
        cut: the frozen prefix.
        size: height and width in pixels.
        images: of the run.
        chosen: int64 ``[M]``: which of them.
        rows: ``[M, ...]`` of the type that they are kept in.
        recipe: says which cache.
    """
    keep(
        cut if cut.kept_as is None else cut.kept_as,
        [images.rows[index].sha256 for index in chosen],
        rows,
        Decoding.of(recipe.data, size),
        _settings(cut, recipe),
    )


def cut_rows(cut: Cut, activations: Activations, progress: Progress) -> Activations:
    """What a cut takes of the rows that are kept.

    Args:
        cut: the frozen prefix, which may take some of their columns.
        activations: the rows.
        progress: says that the outputs of all stages are kept now.
    """
    if cut.columns is None:
        return activations
    if activations.stats.computed:
        progress.say(
            f"levels: {activations.stats.computed} images passed the backbone for the outputs of all its "
            "stages, which are kept: another choice of levels needs no pass"
        )
    return replace(activations, array=Columns(activations.array, cut.columns))


def _settings(cut: Cut, recipe: Recipe) -> ComputeSettings:
    """How the outputs are computed, and what the cache says that they are."""
    place = "levels" if cut.kept_as is not None else str(cut.at or "features")
    devices = choose_devices(recipe.devices)
    label = f"{recipe.backbone.name} at {place}"
    return ComputeSettings.of(recipe.activations, label, devices.names_here, devices.precision)
