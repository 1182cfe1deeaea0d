"""A run that several workers carry out: what the chief tells the others, and what these do.

All workers read the same recipe and the same images. The chief's recipe and the order of its images stand; a
worker that has others says so before anything is computed. Only the chief writes the run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from transferkit.cluster.cluster import Cluster, joined
from transferkit.errors import UserError, fault
from transferkit.recipe import Recipe, admit_code, load
from transferkit.recipe.value_origins import diff
from transferkit.runs.checks.same_data import same_data
from transferkit.runs.folder.located import with_value
from transferkit.tensorflow_startup import loading, start_tensorflow
from transferkit.training.images import Images
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress
from transferkit.type_names import NamedValues

__all__ = ["follow", "meet_all", "own_places", "share_images", "share_recipe"]

# What each worker may have for itself: where its images and its cache lie.
_OWN = ("data.path", "data.root", "activations.cache_dir", "activations.from")


def meet_all(progress: Progress) -> Cluster:
    """Waits until all workers are there."""
    with progress.stage("cluster", doing="waiting for all workers"):
        return joined(progress.say)


def _agree(cluster: Cluster, images: Images, faults: Sequence[str] = ()) -> None:
    """Makes sure that all workers have what the chief has. Called by all.

    Args:
        cluster: the workers.
        images: this worker's.
        faults: what is wrong with this worker.

    Raises:
        UserError: what is wrong with any of them.
    """
    told = cluster.gather([*faults, *_other_classes(cluster, images)])
    lines = [line for part in told for line in part]
    if lines:
        cluster.part()
        raise UserError(*lines)


def share_recipe(cluster: Cluster, recipe: Recipe) -> None:
    """The chief's part of :func:`follow`: its recipe."""
    cluster.share(recipe.to_toml())


def share_images(cluster: Cluster, images: Images) -> None:
    """The chief's part of :func:`follow`: its images, and that all have the same."""
    with tempfile.TemporaryDirectory() as name:
        images.ledger.write(Path(name) / "split.csv")
        cluster.bytes_of(0, (Path(name) / "split.csv").read_bytes())
    _agree(cluster, images)


def follow(given: Recipe | None, own: NamedValues, progress: Progress, hint: str) -> None:
    """The whole work of a worker that is not the chief. It leaves nothing but its cache.

    Args:
        given: the recipe that this worker was given; None where it goes on with an interrupted run.
        own: keys of :data:`_OWN` that it was given for itself.
        progress: shows the stages.
        hint: how to go on where another worker ends.

    Raises:
        UserError: its recipe or its images are not the chief's.
        ClusterError: another worker has ended.
    """
    cluster = meet_all(progress)
    with tempfile.TemporaryDirectory(prefix="transferkit-worker-") as name, cluster.watched(hint):
        folder = Path(name)
        (folder / "recipe.toml").write_text(cluster.share(), "utf-8")
        recipe = admit_code(load(folder / "recipe.toml"))
        faults = [] if given is None else _other_recipe(cluster, given, recipe)
        for key, value in own.items():
            recipe = with_value(recipe, key, value)
        images = prepare(recipe, progress)
        (folder / "split.csv").write_bytes(cluster.bytes_of(0))
        try:
            images = same_data(folder, images)
        except UserError as error:
            told = error.faults[0].partition("the data changed since the run began: ")[2].partition(";")[0]
            faults.append(fault("data", cluster.place.describe(), "the chief's images", told))
        _agree(cluster, images, faults)
        with progress.stage("start", doing="loading TensorFlow and Keras"):
            start_tensorflow()
            with loading():
                from transferkit.training.loop import train
                from transferkit.training.parts import open_parts
                from transferkit.training.training_job import TrainingJob
        with progress.stage("backbone", doing="building it and loading its weights"):
            parts = open_parts(recipe, images.classes)
        train(TrainingJob(recipe, images, parts, lambda decoded, parts: folder, progress))
        with progress.stage("end", doing="waiting for the chief"):
            cluster.part()


def own_places(recipe: Recipe | None) -> NamedValues:
    """Where this worker's images and its cache lie, as far as its recipe says so."""
    if recipe is None:
        return {}
    values = {key: getattr(getattr(recipe, key.partition(".")[0]), key.partition(".")[2]) for key in _OWN}
    return {key: value for key, value in values.items() if value is not None}


def _other_classes(cluster: Cluster, images: Images) -> list[str]:
    classes = cluster.share(list(images.classes) if cluster.is_chief else None)
    if classes == list(images.classes):
        return []
    return [fault("data: classes", cluster.place.describe(), f"the chief's {len(classes)} classes")]


def _other_recipe(cluster: Cluster, given: Recipe, chiefs: Recipe) -> list[str]:
    """What this worker was told otherwise than the chief."""
    for key, value in own_places(chiefs).items():
        given = with_value(given, key, value)
    if given == chiefs:
        return []
    differing = "; ".join(
        f"{one.key} is {one.one!r}, the chief's {one.other!r}" for one in diff(given, chiefs)[:5]
    )
    return [fault("recipe", cluster.place.describe(), "the chief's recipe", differing)]
