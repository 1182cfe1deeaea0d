"""After the last phase: a second network on frozen features, and the mean of both as the run's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from transferkit.heads import one_hot, shrunk_scale
from transferkit.recipe import Recipe
from transferkit.recipe.averaging import second_recipe
from transferkit.runs.calibration.calibrate import logits_of
from transferkit.training.averaged_parts import averaged_parts
from transferkit.training.cut_features import extract_features
from transferkit.training.fit_features import fit_features
from transferkit.training.images import Images
from transferkit.training.loop import Fitted
from transferkit.training.parts import Parts, open_parts
from transferkit.training.progress import Progress

__all__ = ["with_average"]


def with_average(fitted: Fitted, progress: Progress) -> Fitted:
    """What training left, with the mean of the trained network's logits and a second one's.

    Args:
        fitted: of a recipe with ``[average]``.
        progress: shows the second network's images and its head.

    Raises:
        UserError: the second network cannot be had, or the layers of one of them are not visible.
    """
    trained = fitted.trained
    recipe, images, parts = trained.recipe, trained.images, trained.parts
    own = second_recipe(recipe, parts.backbone.input_size)
    second = _second(own, images, parts, progress)
    made = averaged_parts(parts, second, _scale(fitted))
    last = recipe.resolved_phases[-1]
    samples = len(images.of_split("train"))
    network = made.network(last, made.plan(last), images.train_counts, samples)
    _, cut_features = extract_features(network.cut, made.backbone.input_size, images, recipe, progress)
    return Fitted(replace(trained, parts=made), network, cut_features, fitted.folder)


def _second(recipe: Recipe, images: Images, trained: Parts, progress: Progress) -> Parts:
    """The second network, fitted on the same training images."""
    with progress.stage("second network", doing=f"loading {recipe.backbone.name}"):
        parts = open_parts(recipe, trained.classes)
    phase = recipe.resolved_phases[0]
    network = parts.network(phase, parts.plan(phase), images.train_counts, len(images.of_split("train")))
    images, cut_features = extract_features(
        network.cut,
        parts.backbone.input_size,
        images,
        recipe,
        progress,
        "fitting" if recipe.activations.views > 1 else "evaluation",
    )
    fit_features(network, cut_features, images, parts, progress)
    return parts


def _scale(fitted: Fitted) -> float:
    """What brings the trained network's logits to the scale of honest probabilities, on validation images.

    Those of the second head are at that scale already, by what was held out of its training images.
    """
    images = fitted.trained.images
    chosen = images.of_split("val")
    if not len(chosen):
        return 1.0
    labels = images.labels[chosen]
    logits = logits_of(fitted.network, fitted.cut_features.in_order(chosen, labels)).astype(np.float64)
    wanted = one_hot(labels, len(images.classes))
    return shrunk_scale(logits, wanted, images.multi_label)
