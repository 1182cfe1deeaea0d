"""What a trained network is worth: logits of the held-out images, and every figure made from them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from transferkit.activations.division import real_rows
from transferkit.estimator.estimator import Estimator
from transferkit.evaluation import Evaluation, evaluate
from transferkit.recipe import Recipe
from transferkit.transfer.model_fn import make_model_fn
from transferkit.transfer.network import Network

__all__ = ["evaluate_network", "predict_network"]


def evaluate_network(
    network: Network,
    recipe: Recipe,
    batches: Any,
    labels: np.ndarray,
    paths: Iterable[str],
    classes: tuple[str, ...],
    show: Callable[[int], object] = lambda done: None,
) -> Evaluation:
    """Predicts images through the Estimator and evaluates the predictions.

    Args:
        network: the trained network.
        recipe: says which figures are wanted.
        batches: ``() -> tf.data.Dataset`` of features, in the order of ``labels``, each image once.
        labels: int ``[N]``, or 0/1 ``[N, C]`` where an image may have several.
        paths: names of the images, for ``predictions.csv``.
        classes: in label order.
        show: is told how many images are done.
    """
    probabilities = predict_network(network, batches, show)
    section = recipe.evaluation
    top = sorted({k for k in (3, section.top_k) if k < len(classes)})
    return evaluate(
        labels,
        probabilities,
        classes,
        list(paths),
        top=top,
        threshold=network.head.thresholds if network.head.multi_label else 0.5,
        resamples=section.resamples,
        confidence=section.confidence,
        seed=recipe.seed,
    )


def predict_network(
    network: Network, batches: Any, show: Callable[[int], object] = lambda done: None
) -> np.ndarray:
    """Probabilities float32 ``[N, classes]`` of the images that ``batches()`` gives, in its order.

    Args:
        network: trained.
        batches: ``() -> tf.data.Dataset`` of features.
        show: is told how many images are done.
    """
    parts: list[np.ndarray] = []
    done = 0
    with tempfile.TemporaryDirectory(prefix="transferkit-evaluate-") as folder:  # else one stays
        estimator = Estimator(make_model_fn(network), model_dir=folder)
        for batch in estimator.predict(batches, yield_single_examples=False):
            parts.append(real_rows(batch, np.asarray(batch["probabilities"])))
            done += len(parts[-1])
            show(done)
    return np.concatenate(parts)
