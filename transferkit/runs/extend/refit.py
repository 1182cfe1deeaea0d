"""The head fitted again on features that are known: of a run's own images, new ones, or fewer."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from transferkit.activations.compute import Activations, Stats
from transferkit.recipe import Phase, Recipe
from transferkit.runs.extend.changes import Proof
from transferkit.runs.folder.kept_features import KeptFeatures
from transferkit.training.cut_features import CutFeatures, extract_features
from transferkit.training.fit_features import fit_features
from transferkit.training.images import Images
from transferkit.training.parts import Parts, features_of
from transferkit.training.progress import Progress
from transferkit.transfer.network import Network
from transferkit.transfer.standardise import Standardise

__all__ = ["known_features", "new_features", "parts_for", "probabilities", "prove"]

_AT_ONCE = 4096


def known_features(kept: KeptFeatures, images: Images) -> CutFeatures:
    """Features as a training takes them, in memory.

    Args:
        kept: in the order of ``images``.
        images: theirs.
    """
    dtype = "float32" if kept.exact else "float16"
    size = len(kept.values)
    stats = Stats(size, 0, size, 0, 0.0, None, dtype, kept.values.nbytes)
    plain = Activations(np.arange(size), kept.values, (), stats)  # type: ignore[arg-type]
    if kept.views is None:
        return CutFeatures(plain, np.arange(size))
    count, trained, width = kept.views.shape
    rows = np.arange(count * trained).reshape(count, trained).T
    views = Activations(rows, kept.views.reshape(-1, width), (), stats)  # type: ignore[arg-type]
    return CutFeatures(plain, np.arange(size), views, images.of_split("train"))


def new_features(
    network: Network, parts: Parts, images: Images, recipe: Recipe, progress: Progress, views: bool
) -> tuple[Images, KeptFeatures]:
    """Features of new images, through a run's network; those that cannot be decoded are set aside.

    Args:
        network: of the run.
        parts: its parts.
        images: the new ones.
        recipe: of the run.
        progress: shows them.
        views: training images have augmented views.
    """
    images, cut_features = extract_features(
        network.cut, parts.backbone.input_size, images, recipe, progress, "fitting" if views else "evaluation"
    )
    every = np.arange(len(images))
    values = features_of(network, cut_features.in_order(every, images.labels))
    exact = cut_features.activations.stats.dtype == "float32"
    train, made = images.of_split("train"), None
    if views and cut_features.views is not None and len(train):
        made = np.stack(
            [features_of(network, one) for one in cut_features.every_view(train, images.labels[train])]
        )
    return images, KeptFeatures(values, made, images.groups or (), exact)


def parts_for(parts: Parts, recipe: Recipe, classes: Sequence[str], warm: bool) -> Parts:
    """The parts of a run with a head for other classes.

    Args:
        parts: of the run, with its weights; its backbone is shared.
        recipe: of the new run.
        classes: of the new run.
        warm: the new head takes over what the old one knows of the classes that both have, and the scale.
    """
    from transferkit.heads import make_head

    head = make_head(recipe.head, parts.backbone.feature_width, classes)
    fresh = parts.standardise if warm else Standardise(parts.backbone.feature_width, _levels(parts))
    chosen = copy.deepcopy(parts.chosen)
    made = replace(parts, recipe=recipe, classes=tuple(classes), standardise=fresh, chosen=chosen)
    made.layer = head.build_layer(recipe.seed) if parts.chosen is None else parts.layer
    if warm:
        _take_over(parts, made)
    return made


def prove(parts: Parts, network: Network, kept: KeptFeatures, images: Images) -> Proof:
    """Fits a run's own head anew from what it kept, and compares all its probabilities.

    Args:
        parts: of the run.
        network: of the run, with its weights.
        kept: its features.
        images: its images.
    """
    phase = parts.recipe.resolved_phases[0]
    again = parts_for(parts, parts.recipe, parts.classes, warm=False)
    found = _fitted(again, phase, kept, images, Progress(quiet=True))
    columns = _columns(parts, again)
    given = probabilities(network, kept.values)
    twice = probabilities(found, kept.values[:, columns] if columns is not None else kept.values)
    return Proof(True, float(np.abs(given - twice).max()), len(images))


def probabilities(network: Network, values: np.ndarray) -> np.ndarray:
    """Probabilities float32 ``[N, C]`` of features ``[N, D]``, at the head's own scale: temperature 1."""
    parts = []
    for start in range(0, len(values), _AT_ONCE):
        some = tf.constant(values[start : start + _AT_ONCE])
        logits = network.layer(network.standardise(some), training=False)
        parts.append(network.head.predictions(logits)["probabilities"].numpy())
    return np.concatenate(parts) if parts else np.zeros((0, len(network.head.classes)), np.float32)


def _fitted(parts: Parts, phase: Phase, kept: KeptFeatures, images: Images, progress: Progress) -> Network:
    samples = len(images.of_split("train"))

    def network() -> Network:
        return parts.network(phase, parts.plan(phase), images.train_counts, samples)

    first = network()
    fit_features(first, known_features(kept, images), images, parts, progress)
    return network()


def _columns(parts: Parts, again: Parts) -> np.ndarray | None:
    """Where the features that a head reads stand among those kept; None for all."""
    if again.levels == parts.levels:
        return None
    from transferkit.backbones.levels import columns_of

    return columns_of(parts.levels, list(again.levels))


def _levels(parts: Parts) -> tuple[int, ...]:
    levels = parts.levels
    return tuple(levels.values()) if len(levels) > 1 else ()


def _take_over(old: Parts, new: Parts) -> None:
    """Weights of the same shape as they are; of those that end with the classes, the columns of old ones."""
    places = [
        (number, old.classes.index(name)) for number, name in enumerate(new.classes) if name in old.classes
    ]
    to, of = (np.array(side, np.int64) for side in zip(*places, strict=True))
    values = []
    for before, after in zip(old.layer.weights, new.layer.weights, strict=True):
        known, value = np.asarray(before), np.array(after)
        if known.shape == value.shape:
            value = known
        else:
            value[..., to] = known[..., of]
        values.append(value)
    new.layer.set_weights(values)
