"""What is found from the training features at once: their mean and scale, and a head in closed form."""

from __future__ import annotations

import numpy as np

from transferkit.cluster.cluster import Cluster
from transferkit.data.splits.tied_copies import tie_copies
from transferkit.heads import ClosedForm, Divided, Known, choice_of, describe_choice
from transferkit.training.cut_features import CutFeatures
from transferkit.training.images import Images
from transferkit.training.parts import Parts, features_of
from transferkit.training.progress import Progress
from transferkit.transfer.network import Network

__all__ = ["by_content", "fit_features"]

_SCALE_SAMPLE = 10_000
# What choosing a head may take, where the pass over the images took less.
_LEAST_SECONDS = 60.0


def fit_features(
    network: Network,
    cut_features: CutFeatures,
    images: Images,
    parts: Parts,
    progress: Progress,
    seconds: float | None = None,
) -> CutFeatures | None:
    """Fits what is found from the training features at once: their scale, and a head in closed form.

    Args:
        network: whose features they are.
        cut_features: the images at its cut.
        images: the training images among them are fitted on.
        parts: gets the head's layer, and the levels that it reads; what was chosen before stands.
        progress: shows the fit.
        seconds: that a head may take to choose; None for those of the pass, and a minute at least.

    Returns:
        The images at the cut that the fitted head needs; None where no head was fitted.
    """
    seed = parts.recipe.seed
    train = images.of_split("train")
    if parts.devices.cluster is None:
        train = cut_features.kept_of(train)
    if network.head.closed_form:
        train = by_content(images, train)
    labels = images.labels[train]
    some = train
    if not network.head.closed_form and len(train) > _SCALE_SAMPLE:
        # A mean over so many images is known well enough; a closed-form head needs them all.
        some = np.sort(np.random.default_rng(seed).choice(train, _SCALE_SAMPLE, replace=False))
    features, divided = _fit_scale(network, cut_features, some, images.labels[some], parts)
    if not network.head.closed_form:
        return None
    standardised = network.standardise(features).numpy()
    count = cut_features.fit_count
    groups = np.concatenate([images.groups_of(train)] * count)
    known = Known(
        groups if divided is not None else tie_copies(groups, standardised),
        parts.levels,
        seconds or max(_LEAST_SECONDS, cut_features.activations.stats.seconds),
        choice_of(parts.chosen),
        divided,
    )
    with progress.stage("head", total=len(standardised)) as stage:
        with parts.devices.scope():
            parts.layer = network.head.fit(standardised, np.concatenate([labels] * count), seed, known)
        stage.update(len(standardised))
    return _as_chosen(network, cut_features, parts, progress)


def _fit_scale(
    network: Network, cut_features: CutFeatures, some: np.ndarray, labels: np.ndarray, parts: Parts
) -> tuple[np.ndarray, Divided | None]:
    """Fits mean and scale; gives the features float32 ``[n, D]`` they are of, and which these are where each
    worker has its own."""
    cluster = parts.devices.cluster
    if cluster is not None and _adds_up(network, cut_features, len(some)):
        features, divided = _own_features(network, cut_features, some, labels, cluster)
        network.standardise.fit(features, cluster.total)
        return features, divided
    features = np.concatenate(_features_of_views(network, cut_features, some, labels, parts))
    network.standardise.fit(features)
    return features, None


def _as_chosen(network: Network, cut_features: CutFeatures, parts: Parts, progress: Progress) -> CutFeatures:
    """The images at the levels that the fitted head has chosen, which ``parts`` then keep."""
    if network.head.found is None:
        return cut_features
    levels = network.head.found.levels or tuple(parts.levels)
    parts.chosen = {**network.head.found.to_dict(), "levels": list(levels)}
    sentence = describe_choice(parts.chosen)
    if sentence is not None:
        progress.say(f"head: {sentence}")
    return cut_features.narrow(parts.narrow(levels))


def by_content(images: Images, train: np.ndarray) -> np.ndarray:
    """Training images in the order in which a head at once is fitted on them, int64 ``[N]``.

    Folds and landmarks are drawn by place, and a file's name is no part of a head.

    Args:
        images: of the run.
        train: int64 ``[N]``, in any order.
    """
    result: np.ndarray = train[np.argsort(images.groups_of(train), kind="stable")]
    return result


def _adds_up(network: Network, cut_features: CutFeatures, images: int) -> bool:
    """Whether workers find the head from sums over the images of each."""
    spec = network.head.spec
    enough = images * cut_features.fit_count >= network.head.feature_width
    return isinstance(spec, ClosedForm) and spec.adds_up and enough


def _own_features(
    network: Network, cut_features: CutFeatures, some: np.ndarray, labels: np.ndarray, cluster: Cluster
) -> tuple[np.ndarray, Divided]:
    """Features float32 ``[n, D]`` of this worker's own images, view after view, and which they are."""
    assert cut_features.mine is not None  # noqa: S101 -- for the type checker: there are several workers
    own = np.flatnonzero(cut_features.mine[some])
    parts = [np.zeros((0, network.head.feature_width), np.float32)]
    if len(own):
        every = cut_features.fitted_on(some[own], labels[own])
        parts += [features_of(network, batches) for batches in every]
    places = [own + view * len(some) for view in range(cut_features.fit_count)]
    return np.concatenate(parts), Divided(np.concatenate(places), cluster.total)


def _features_of_views(
    network: Network, cut_features: CutFeatures, some: np.ndarray, labels: np.ndarray, parts: Parts
) -> list[np.ndarray]:
    """Features float32 ``[len(some), D]`` of images, once for each view, and for a head at once as they
    are; where several workers have them, of all of them on each."""
    cluster, mine = parts.devices.cluster, cut_features.mine
    closed = network.head.closed_form
    shown, count = (
        (cut_features.fitted_on, cut_features.fit_count)
        if closed
        else (cut_features.every_view, cut_features.view_count)
    )
    if cluster is None or mine is None:
        return [features_of(network, batches) for batches in shown(some, labels)]
    own = mine[some]
    every = shown(some[own], labels[own]) if own.any() else []
    views = []
    for view in range(count):
        features = np.zeros((len(some), parts.backbone.feature_width), np.float32)
        if every:
            features[own] = features_of(network, every[view])
        views.append(cluster.total(features))
    return views
