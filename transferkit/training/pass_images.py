"""Images on their way through the frozen prefix of a cut, and the cache that keeps what it gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.activations.compute import Activations, compute, keep
from transferkit.activations.compute_settings import ComputeSettings
from transferkit.activations.joined_rows import SideBySide
from transferkit.activations.row_columns import Columns
from transferkit.activations.views import Views
from transferkit.data.pixels.decoding import Decoding
from transferkit.devices import choose_devices
from transferkit.recipe import Recipe
from transferkit.training.images import Images
from transferkit.training.progress import Progress

if TYPE_CHECKING:
    from transferkit.backbones.backbone import Cut

__all__ = ["PassRequest", "cut_rows", "keep_rows", "kept_rows", "pass_images"]


@dataclass(frozen=True, eq=False)
class PassRequest:
    """Which images are to pass the frozen prefix of a cut.

    Attributes:
        cut: the cut.
        size: height and width in pixels.
        images: of the run.
        chosen: int64 ``[M]``: which of them.
        recipe: says which engine, which cache.
        views: augmented views to pass instead of the images themselves.
    """

    cut: Cut
    size: tuple[int, int]
    images: Images
    chosen: np.ndarray
    recipe: Recipe
    views: Views | None = None

    @property
    def kept_cut(self) -> Cut:
        """The cut whose outputs the cache keeps: this one, or one whose outputs include this one's."""
        return self.cut if self.cut.kept_as is None else self.cut.kept_as

    @property
    def settings(self) -> ComputeSettings:
        """How the outputs are computed, and what the cache says that they are."""
        recipe, cut = self.recipe, self.cut
        place = "levels" if cut.kept_as is not None else str(cut.at or "features")
        devices = choose_devices(recipe.devices)
        label = f"{recipe.backbone.name} at {place}"
        return ComputeSettings.of(recipe.activations, label, devices.names_here, devices.precision)


def pass_images(request: PassRequest, progress: Progress) -> Activations:
    """What the frozen prefix gives for some of the images, found in the cache or computed.

    Args:
        request: which images, through which prefix.
        progress: shows them.
    """
    if request.cut.kept_parts:
        return _side_by_side(request, progress)
    found = kept_rows(request, progress, request.recipe.activations.dtype)
    return cut_rows(request.cut, found, progress)


def _side_by_side(request: PassRequest, progress: Progress) -> Activations:
    """As of :func:`pass_images`, for several networks: each passes, and is kept, by itself."""
    sources: list[list[tuple[Any, np.ndarray]]] = []
    passed: list[Activations] = []
    for part in request.cut.kept_parts:
        section = request.recipe.backbone.model_copy(update={"name": part.name})
        named = request.recipe.model_copy(update={"backbone": section})
        own = []
        for one in (part.cut, *part.seen):
            found = pass_images(replace(request, cut=one, recipe=named), progress)
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


def kept_rows(request: PassRequest, progress: Progress, dtype: str) -> Activations:
    """As :func:`pass_images`, with rows as the cache keeps them, which may be those of several cuts.

    Args:
        request, progress: as there.
        dtype: ``"float32"``, ``"float16"`` or ``"auto"``.
    """
    images = request.images
    items = [(images.rows[index].sha256, images.paths[index]) for index in request.chosen]
    name = "images" if request.views is None else "views"
    with progress.stage(name, total=len({sha256 for sha256, _ in items})) as stage:
        return compute(
            request.kept_cut,
            items,
            Decoding.of(request.recipe.data, request.size),
            replace(request.settings, dtype=dtype),
            views=request.views,
            progress=lambda done, total: stage.update(done),
            say=progress.say,
        )


def keep_rows(request: PassRequest, rows: np.ndarray) -> None:
    """Puts rows into the cache that another worker has computed.

    Args:
        request: the images that they are of.
        rows: ``[M, ...]`` of the type that they are kept in.
    """
    keep(
        request.kept_cut,
        [request.images.rows[index].sha256 for index in request.chosen],
        rows,
        Decoding.of(request.recipe.data, request.size),
        request.settings,
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
