"""Losses against Keras's own, and class weights."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.errors import UserError
from transferkit.keras3 import keras
from transferkit.losses import make_loss
from transferkit.registry import registry

CLASSES = ("a", "b", "c")
LABELS = np.array([0, 2, 1, 1])
SEVERAL = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]], np.float32)
LOGITS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32) * 2


def test_all_are_found():
    assert registry("losses").names() == ["auto", "binary_cross_entropy", "cross_entropy", "focal"]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_kerass(smoothing):
    loss = make_loss({"kind": "cross_entropy", "label_smoothing": smoothing}, CLASSES)
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, reduction=None)
    np.testing.assert_allclose(loss.per_sample(LABELS, LOGITS), theirs(np.eye(3)[LABELS], LOGITS), rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_binary_cross_entropy_is_kerass(smoothing):
    loss = make_loss(
        {"kind": "binary_cross_entropy", "label_smoothing": smoothing}, CLASSES, multi_label=True
    )
    theirs = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing, reduction=None)
    np.testing.assert_allclose(loss.per_sample(SEVERAL, LOGITS), theirs(SEVERAL, LOGITS), rtol=1e-5)


def test_focal_with_one_label_is_kerass():
    loss = make_loss({"kind": "focal", "gamma": 2.0}, CLASSES)
    theirs = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=2.0, from_logits=True, reduction=None)
    np.testing.assert_allclose(loss.per_sample(LABELS, LOGITS), theirs(np.eye(3)[LABELS], LOGITS), rtol=1e-4)


def test_focal_with_several_labels_is_kerass():
    loss = make_loss({"kind": "focal", "gamma": 2.0}, CLASSES, multi_label=True)
    theirs = keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True, reduction=None)
    np.testing.assert_allclose(loss.per_sample(SEVERAL, LOGITS), theirs(SEVERAL, LOGITS), rtol=1e-4)


@pytest.mark.parametrize("several", [False, True])
def test_focal_without_gamma_is_cross_entropy(several):
    labels = SEVERAL if several else LABELS
    focal = make_loss({"kind": "focal", "gamma": 0.0}, CLASSES, several)
    plain = make_loss({"kind": "auto"}, CLASSES, several)
    np.testing.assert_allclose(focal.per_sample(labels, LOGITS), plain.per_sample(labels, LOGITS), rtol=1e-5)


@pytest.mark.parametrize("kind", ["auto", "focal"])
@pytest.mark.parametrize("several", [False, True])
def test_gradients_are_finite_where_all_is_certain(kind, several):
    import tensorflow as tf

    loss = make_loss({"kind": kind, **({"gamma": 0.5} if kind == "focal" else {})}, CLASSES, several)
    logits = tf.constant([[80.0, -80.0, 0.0], [-80.0, 80.0, 0.0]])
    labels = [[1.0, 0.0, 0.0]] * 2
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(labels, logits)
    assert np.isfinite(value)
    assert np.all(np.isfinite(tape.gradient(value, logits)))


def test_balanced_weights():
    loss = make_loss({"kind": "auto", "class_weights": "balanced"}, CLASSES, counts=[10, 20, 30])
    np.testing.assert_allclose(loss.weights, [2.0, 1.0, 2 / 3])
    assert np.isclose(np.dot(loss.weights, [10, 20, 30]), 60)
    several = make_loss(
        {"kind": "auto", "class_weights": "balanced"}, CLASSES, True, [10, 20, 50], samples=100
    )
    np.testing.assert_allclose(several.weights, [9.0, 4.0, 1.0])


def test_weights_multiply_the_samples_of_their_class():
    plain = make_loss({"kind": "auto"}, CLASSES).per_sample(LABELS, LOGITS).numpy()
    for weights in ({"b": 3.0}, [1.0, 3.0, 1.0]):
        found = make_loss({"kind": "auto", "class_weights": weights}, CLASSES).per_sample(LABELS, LOGITS)
        np.testing.assert_allclose(found, plain * [1, 1, 3, 3], rtol=1e-6)


def test_mixed_labels_cost_the_mixed_loss():
    loss = make_loss({"kind": "auto"}, CLASSES)
    one, other = loss.per_sample([0], LOGITS[:1]), loss.per_sample([1], LOGITS[:1])
    mixed = loss.per_sample(np.array([[0.3, 0.7, 0.0]]), LOGITS[:1])
    np.testing.assert_allclose(mixed, 0.3 * one + 0.7 * other, rtol=1e-6)


@pytest.mark.parametrize(
    ("spec", "several", "part"),
    [
        ({"kind": "cross_entropy"}, True, "binary_cross_entropy or focal"),
        ({"kind": "binary_cross_entropy"}, False, "cross_entropy or focal"),
        ({"kind": "auto", "class_weights": "balanced"}, False, "class counts"),
        ({"kind": "auto", "class_weights": {"d": 2.0}}, False, "a class of the data"),
        ({"kind": "auto", "class_weights": [1.0]}, False, "one for each class"),
        ({"kind": "auto", "class_weights": {"a": -1.0}}, False, "0 or more"),
    ],
)
def test_what_does_not_fit(spec, several, part):
    with pytest.raises(UserError, match=part):
        make_loss(spec, CLASSES, several)
