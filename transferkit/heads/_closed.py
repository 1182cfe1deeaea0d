"""What the heads that are fitted at once have in common. Plain NumPy: no gradients, no TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "best_scale",
    "each_log_loss",
    "linear_layer",
    "log_loss",
    "one_hot",
    "sample_weights",
    "shrunk_scale",
]

# The scales that are tried on logits: coarse first, then finely around the best.
_COARSE = np.logspace(-3, 3, 25)
# Numbers that the scale is searched on: with thousands of classes some of the images tell it.
_LOOKED_AT = 2_000_000


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Labels int ``[N]`` or float ``[N, C]`` as float64 ``[N, C]``."""
    if labels.ndim == 2:
        return labels.astype(np.float64)
    made = np.zeros((len(labels), classes))
    made[np.arange(len(labels)), labels] = 1
    return made


def sample_weights(targets: np.ndarray, class_weights: np.ndarray | None) -> np.ndarray:
    """The weight of each sample, float64 ``[N]``, 1 on average: that of its class."""
    if class_weights is None:
        return np.ones(len(targets))
    weights = targets @ class_weights.astype(np.float64)
    result: np.ndarray = weights / max(weights.mean(), 1e-12)
    return result


def log_loss(logits: np.ndarray, targets: np.ndarray, weights: np.ndarray, multi_label: bool) -> float:
    """Mean weighted cross entropy; for multi-label data the mean over labels of the binary one."""
    return float(np.mean(weights * each_log_loss(logits, targets, multi_label)))


def each_log_loss(logits: np.ndarray, targets: np.ndarray, multi_label: bool) -> np.ndarray:
    """The cross entropy of each sample, float64 ``[N]``, in nats; as of :func:`log_loss`."""
    each: np.ndarray
    if multi_label:
        each = np.mean(np.logaddexp(0, logits) - targets * logits, axis=1)
    else:
        top = logits.max(axis=1, keepdims=True)
        each = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0] - (targets * logits).sum(axis=1)
    return each


def best_scale(
    logits: np.ndarray, targets: np.ndarray, weights: np.ndarray, multi_label: bool
) -> tuple[float, float]:
    """The factor on logits with the least log loss, and that loss.

    Scores of held-out samples become honest probabilities by it.
    """

    some = slice(None, None, -(-logits.size // _LOOKED_AT))

    def loss(scale: float) -> float:
        return log_loss(scale * logits[some], targets[some], weights[some], multi_label)

    # The scores' own size sets the middle of the search, so that no unit of the features matters.
    unit = 1.0 / max(float(np.std(logits[some])), 1e-12)
    first = min(_COARSE * unit, key=loss)
    fine = first * np.logspace(-0.25, 0.25, 21)
    best = min(fine, key=loss)
    return float(best), log_loss(best * logits, targets, weights, multi_label)


def shrunk_scale(logits: np.ndarray, targets: np.ndarray, multi_label: bool, repeats: int = 1) -> float:
    """The factor on a trained network's logits, from images that may be few: near 1 where they say little.

    Without a prior, images that are all answered rightly would make it endless. It is the mode of the
    posterior with a log-normal prior around 1, whose standard deviation is a half. An image that is there in
    several ways (``repeats``) counts once.

    >>> right = np.array([[2.0, 0.0]]), np.array([[1.0, 0.0]])
    >>> 1 < shrunk_scale(*right, False) < shrunk_scale(*(np.tile(one, (50, 1)) for one in right), False) < 4
    True
    """
    if not len(logits):
        return 1.0
    scales = np.exp(np.linspace(-2, 2, 401))
    ones = np.ones(len(logits))

    def cost(scale: float) -> float:
        prior = float(np.square(np.log(scale) / 0.5)) / 2
        return len(logits) / repeats * log_loss(scale * logits, targets, ones, multi_label) + prior

    return float(min(scales, key=cost))


def linear_layer(width: int, classes: int, seed: int, normalise: bool) -> Any:
    """A dense layer as one built model, on features brought to length 1 first where ``normalise``."""
    from transferkit.heads._layers import dense
    from transferkit.keras3 import keras

    layers: list[Any] = [keras.Input((width,), name="features")]
    if normalise:
        layers.append(keras.layers.UnitNormalization(dtype="float32", name="unit"))
    return keras.Sequential([*layers, dense(classes, seed)], name="head")


def lengths_1(features: np.ndarray) -> np.ndarray:
    """Each row brought to length 1, as Keras's UnitNormalization does."""
    result: np.ndarray = features / np.sqrt(
        np.maximum(np.sum(np.square(features), axis=1, keepdims=True), 1e-12)
    )
    return result
