"""What the best head on a recipe's features reaches on held-out folds of the training images."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from transferkit.recipe import Recipe
from transferkit.runs.best.answers import Answers
from transferkit.training.cut_features import CutFeatures, extract_features
from transferkit.training.fit_features import by_content, fit_features
from transferkit.training.images import Images
from transferkit.training.parts import Parts, open_parts
from transferkit.training.progress import Progress
from transferkit.transfer.network import Network
from transferkit.type_names import NamedValues

__all__ = ["Judged", "Passed", "choose_head", "judge", "pass_backbone"]

# What choosing a head may take, where the pass over the images took less.
_LEAST_SECONDS = 60.0


@dataclass(frozen=True)
class Judged:
    """What was found.

    Attributes:
        facts: how the head was chosen (:attr:`transferkit.training.parts.Parts.chosen`).
        answers: of the images that were judged.
        linear: those of the linear head on the backbone's last features.
        held: float32 ``[ways, M, C]``: the logits of the same images for each way to leave them out.
        pass_seconds: that the images and their views took through the backbone, cache and all.
        computed: images that passed it now, views not counted.
        gflops: of one image, in 1e9 operations; None where the inside is not visible.
        seconds: of all of it.
    """

    facts: NamedValues
    answers: Answers
    linear: Answers
    held: np.ndarray
    pass_seconds: float
    computed: int
    gflops: float | None
    seconds: float


@dataclass(frozen=True)
class Passed:
    """Images at the end of a frozen backbone, before a head is chosen.

    Attributes:
        network: with a head that is yet to be fitted.
        parts: what it is made of.
        images: those that could be decoded.
        cut_features: theirs.
        gflops: of one image, in 1e9 operations; None where the inside is not visible.
        seconds: that loading and passing took.
    """

    network: Network
    parts: Parts
    images: Images
    cut_features: CutFeatures
    gflops: float | None
    seconds: float

    @property
    def pass_seconds(self) -> float:
        """What the images and their views took through the backbone, cache and all."""
        views = self.cut_features.views
        return self.cut_features.activations.stats.seconds + (views.stats.seconds if views else 0.0)


def judge(recipe: Recipe, images: Images, progress: Progress, seconds: float) -> Judged:
    """Passes the images through the recipe's backbone and chooses a head.

    Args:
        recipe: with the head ``auto``, everything frozen.
        images: the training images, and no others.
        progress: shows both.
        seconds: that choosing the head may take at most; it takes no more than the pass or a minute.

    Raises:
        UserError: the backbone or the images cannot be used.
    """
    passed = pass_backbone(recipe, images, progress)
    return choose_head(passed, progress, min(max(_LEAST_SECONDS, passed.pass_seconds), seconds))


def pass_backbone(recipe: Recipe, images: Images, progress: Progress) -> Passed:
    """Passes the images through the recipe's backbone.

    Args:
        recipe: with the head ``auto``, everything frozen.
        images: the training images, and no others.
        progress: shows them.

    Raises:
        UserError: the backbone or the images cannot be used.
    """
    began = time.monotonic()
    with progress.stage("backbone", doing=f"loading {recipe.backbone.name}"):
        parts = open_parts(recipe, images.classes)
    phase = recipe.resolved_phases[0]
    plan = parts.plan(phase)
    network = parts.network(phase, plan, images.train_counts, len(images))
    gflops = plan.gflops_below
    images, cut_features = extract_features(
        network.cut,
        parts.backbone.input_size,
        images,
        recipe,
        progress,
        "fitting" if recipe.activations.views > 1 else "evaluation",
    )
    return Passed(network, parts, images, cut_features, gflops, time.monotonic() - began)


def choose_head(passed: Passed, progress: Progress, seconds: float) -> Judged:
    """Chooses the head, and says what held-out images are answered with it.

    Args:
        passed: the images at the end of a backbone.
        progress: shows the choice.
        seconds: that it may take.
    """
    began = time.monotonic()
    network, parts, images = passed.network, passed.parts, passed.images
    cut_features = passed.cut_features
    fit_features(network, cut_features, images, parts, progress, seconds)
    found = network.head.found
    # For the type checker: auto has found something, and says how.
    assert found is not None  # noqa: S101
    assert found.right is not None  # noqa: S101
    assert found.losses is not None  # noqa: S101
    assert found.groups is not None  # noqa: S101
    assert found.linear is not None  # noqa: S101
    assert found.places is not None  # noqa: S101
    assert found.counted is not None  # noqa: S101
    assert found.held is not None  # noqa: S101
    train = by_content(images, cut_features.kept_of(images.of_split("train")))
    # The images as they are come first; what is held out of their views is not what will be asked.
    own = found.places < len(train)
    names = tuple(images.rows[train[place]].name for place in found.places[own])
    groups, counted = np.unique(found.groups[own], return_inverse=True)[1], found.counted[own]
    return Judged(
        facts=parts.chosen or {},
        answers=Answers(names, found.right[own], found.losses[own], groups, counted),
        linear=Answers(names, found.linear[0][own], found.linear[1][own], groups, counted),
        held=np.stack([way[own] for way in found.held]).astype(np.float32),
        pass_seconds=passed.pass_seconds,
        computed=cut_features.activations.stats.computed,
        gflops=passed.gflops,
        seconds=passed.seconds + time.monotonic() - began,
    )
