"""After the last phase: a second network on frozen features, and the mean of both as the run's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from transferkit.errors import UserError, fault
from transferkit.heads import one_hot, shrunk_scale
from transferkit.recipe import Recipe
from transferkit.recipe.averaging import second_recipe
from transferkit.runs.calibration.calibrate import logits_of
from transferkit.training.averaged_parts import averaged_parts, check_visible
from transferkit.training.cut_features import CutFeatures, Use, extract_features
from transferkit.training.fit_features import fit_features
from transferkit.training.images import Images
from transferkit.training.loop import Fitted
from transferkit.training.parts import Parts, open_parts
from transferkit.training.progress import Progress
from transferkit.transfer.network import Network

__all__ = ["open_second", "with_average"]


def open_second(recipe: Recipe, trained: Parts, progress: Progress) -> Parts:
    """The second network, before anything trains: what is wrong with it shows now.

    Args:
        recipe: with ``[average]``.
        trained: the parts of the first network.
        progress: shows that it is loaded.

    Raises:
        UserError: it cannot be had, or the layers of one of the networks are not visible.
    """
    own = second_recipe(recipe, trained.backbone.input_size)
    with progress.stage("second network", doing=f"loading {own.backbone.name}"):
        second = open_parts(own, trained.classes)
    check_visible(trained, second)
    return second


def with_average(fitted: Fitted, second: Parts, progress: Progress) -> Fitted:
    """What training left, with the mean of the trained network's logits and a second one's.

    Args:
        fitted: of a recipe with ``[average]``.
        second: as :func:`open_second` gave it.
        progress: shows the second network's images and its head.

    Raises:
        UserError: an image can no longer be read.
    """
    trained = fitted.trained
    recipe, images, parts = trained.recipe, trained.images, trained.parts
    _fit(second, images, progress)
    made = averaged_parts(parts, second, _scale(fitted))
    last = recipe.resolved_phases[-1]
    samples = len(images.of_split("train"))
    network = made.network(last, made.plan(last), images.train_counts, samples)
    cut_features = _all_features(network, made, images, recipe, progress)
    return Fitted(replace(trained, parts=made), network, cut_features, fitted.folder)


def _fit(parts: Parts, images: Images, progress: Progress) -> None:
    """Fits the second network's head on the same training images."""
    recipe = parts.recipe
    phase = recipe.resolved_phases[0]
    network = parts.network(phase, parts.plan(phase), images.train_counts, len(images.of_split("train")))
    use: Use = "fitting" if recipe.activations.views > 1 else "evaluation"
    fit_features(
        network, _all_features(network, parts, images, recipe, progress, use), images, parts, progress
    )


def _all_features(
    network: Network, parts: Parts, images: Images, recipe: Recipe, progress: Progress,
    use: Use = "evaluation",
) -> CutFeatures:  # fmt: skip
    """Features of every image of the run: with one fewer, its rows would not be those of the run's ledger."""
    left, found = extract_features(network.cut, parts.backbone.input_size, images, recipe, progress, use)
    lost = left.unreadable[len(images.unreadable) :]
    if lost:
        hint = f"{lost[0].reason}; put it back and continue with --resume"
        raise UserError(fault("data", lost[0].name, "the images that the run began with", hint))
    return found


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
