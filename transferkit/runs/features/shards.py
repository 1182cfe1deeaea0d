"""The frozen pass over a share of the images, for schedulers that run many such jobs.

All jobs write to one cache, a folder or a URL. A retraining that is given the same one, or takes its features
from it, finds every row and decodes nothing. A job that is run again computes only what is missing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.code_permission import allowing
from transferkit.data.shard import Shard
from transferkit.data.unusable_files import Refused
from transferkit.errors import UserError, fault
from transferkit.files.remote import is_remote
from transferkit.recipe import Recipe
from transferkit.runs.checks.preflight import checked_recipe
from transferkit.tensorflow_startup import start_tensorflow
from transferkit.training.images import Images
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress
from transferkit.type_names import Override

if TYPE_CHECKING:
    from transferkit.training.parts import Parts
    from transferkit.transfer.network import Network

__all__ = ["ShardResult", "compute_features", "open_first_phase", "read_shard"]


@dataclass(frozen=True)
class ShardResult:
    """What one job did.

    Attributes:
        images: images of the data set.
        mine: of these, the shard's.
        computed: distinct images that went through the frozen part now, views included.
        found: those that were kept already.
        unreadable: files that could not be decoded.
        folder: the cache.
    """

    images: int
    mine: int
    computed: int
    found: int
    unreadable: tuple[Refused, ...]
    folder: str


def read_shard(text: str) -> Shard:
    """Reads ``"3/16"``.

    Raises:
        UserError: it is no share, or there is no such one.
    """
    found = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text)
    if found:
        shard = Shard(int(found[1]), int(found[2]))
        if 1 <= shard.number <= shard.of:
            return shard
    raise UserError(fault("--shard", text, "NUMBER/COUNT such as 3/16, from 1/16 to 16/16"))


def compute_features(
    recipe: str | os.PathLike[str] | None = None,
    overrides: Sequence[Override] = (),
    *,
    shard: str = "1/1",
    to: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    quiet: bool = True,
    allow_code: bool = False,
    **values: Any,
) -> ShardResult:
    """Runs the frozen part of a recipe's first phase over a share of its images and keeps what it gives.

    Args:
        recipe: a recipe's name or file.
        overrides: as of :func:`transferkit.retrain`.
        shard: which share, ``"NUMBER/COUNT"``, from 1.
        to: folder or URL of the cache that all shards share; ``activations.cache_dir`` by default.
        data: the images.
        quiet: show no progress.
        allow_code: as of :func:`transferkit.retrain`.
        **values: top-level keys of the recipe.

    Raises:
        UserError: recipe, data or folder cannot be used, or nothing of this recipe is kept.
    """
    mine = read_shard(shard)
    given = [] if to is None else [("activations.cache_dir", os.fspath(to))]
    given += [] if data is None else [("data.path", os.fspath(data))]
    with allowing(allow_code):
        resolved = checked_recipe(recipe, [*given, *overrides], components=True, **values)
        return _compute(resolved, mine, Progress(quiet))


def _compute(recipe: Recipe, shard: Shard, progress: Progress) -> ShardResult:
    from transferkit.training.augmented_batches import trains_through

    if trains_through(recipe):
        expected = "a number of views, so that there is something to keep"
        hint = "training passes the whole network in every epoch"
        raise UserError(fault("activations.views", recipe.activations.views, expected, hint))
    images = prepare(recipe, progress)
    parts, network = open_first_phase(recipe, images, progress)
    from transferkit.files.cache_location import writable_cache_folder
    from transferkit.training.augmented_batches import make_views
    from transferkit.training.pass_images import PassRequest, pass_images

    place = recipe.activations.cache_dir
    cut, size = network.cut, parts.backbone.input_size
    chosen = _of_shard(images, shard, np.arange(len(images)))
    passed = [pass_images(PassRequest(cut, size, images, chosen, recipe), progress)]
    views = make_views(recipe)
    if views is not None:
        train = _of_shard(images, shard, images.of_split("train"))
        passed.append(pass_images(PassRequest(cut, size, images, train, recipe, views), progress))
    failures = [Refused(images.rows[chosen[one.index]].name, one.reason) for one in passed[0].failures]
    return ShardResult(
        images=len(images),
        mine=len(chosen),
        computed=sum(one.stats.computed for one in passed),
        found=sum(one.stats.found for one in passed),
        unreadable=(*images.unreadable, *failures),
        folder=place if place is not None and is_remote(place) else str(writable_cache_folder(place)),
    )


def open_first_phase(recipe: Recipe, images: Images, progress: Progress) -> tuple[Parts, Network]:
    """Backbone and head of a recipe, and the network that its first phase begins with.

    Args:
        recipe: the resolved recipe.
        images: prepared from it.
        progress: shows the stages.
    """
    with progress.stage("start", doing="loading TensorFlow and Keras"):
        start_tensorflow()
    from transferkit.training.loop import check_parts
    from transferkit.training.parts import open_parts

    with progress.stage("backbone", doing="building it and loading its weights"):
        parts = open_parts(recipe, images.classes)
    check_parts(recipe, images, parts)
    phase = recipe.resolved_phases[0]
    samples = len(images.of_split("train"))
    return parts, parts.network(phase, parts.plan(phase), images.train_counts, samples)


def _of_shard(images: Images, shard: Shard, indices: np.ndarray) -> np.ndarray:
    return np.array([index for index in indices if shard.has(images.rows[index].sha256)], np.int64)
