"""What holds for every head; a new one is covered by being in the folder."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.heads import ReadyHead, make_head
from transferkit.keras3 import keras
from transferkit.registry import registry

NAMES = registry("heads").names()
CLASSES = ("cat", "dog", "eel")
WIDTH = 12


def test_all_are_found():
    assert {"linear", "mlp", "cosine", "prototype", "ridge", "logistic", "multi_label"} <= set(NAMES)


def cases() -> list[tuple[str, bool]]:
    both = [(name, several) for name in NAMES for several in (False, True)]
    return [one for one in both if one != ("multi_label", False)]


def ready(name: str, several: bool, **more: object) -> ReadyHead:
    return make_head({"kind": name, "multi_label": several, **more}, WIDTH, CLASSES)


@pytest.fixture(scope="module")
def separable() -> tuple[np.ndarray, np.ndarray]:
    """240 feature vectors about three middles, and their classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 3
    middles = rng.normal(size=(3, WIDTH))
    return (2 * middles[labels] + rng.normal(size=(240, WIDTH))).astype(np.float32), labels


def labels_for(head: ReadyHead, labels: np.ndarray) -> np.ndarray:
    """The classes as the head takes them; several labels: the class, and the eel with every dog."""
    if not head.multi_label:
        return labels
    several = np.eye(3, dtype=np.float32)[labels]
    several[labels == 1, 2] = 1
    return several


@pytest.mark.parametrize(("name", "several"), cases())
def test_shapes_and_ranges(name, several, separable):
    head = ready(name, several)
    layer = head.build_layer(seed=1)
    logits = layer(separable[0][:5])
    assert logits.shape == (5, 3)
    assert logits.dtype == tf.float32
    answer = head.predictions(logits)
    probabilities = answer["probabilities"].numpy()
    assert probabilities.shape == (5, 3)
    assert probabilities.dtype == np.float32
    assert np.all((probabilities >= 0) & (probabilities <= 1))
    if several:
        assert answer["present"].numpy().tolist() == (probabilities >= 0.5).tolist()
    else:
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        assert answer["class_ids"].numpy().tolist() == probabilities.argmax(axis=1).tolist()


@pytest.mark.parametrize(("name", "several"), cases())
def test_a_seed_gives_the_same_layer_and_the_same_dropout(name, several, separable):
    head = ready(name, several)
    one, same, other = head.build_layer(3), head.build_layer(3), head.build_layer(4)
    rows = separable[0][:9]
    for layer in (one, same, other):
        # What starts at zero hides what dropout does before it.
        layer.set_weights([weight if np.any(weight) else weight + 0.5 for weight in layer.get_weights()])
    for _ in range(2):
        np.testing.assert_array_equal(one(rows, training=True), same(rows, training=True))
    if not head.closed_form:
        assert not np.allclose(one(rows, training=True), other(rows, training=True))


@pytest.mark.parametrize(("name", "several"), cases())
def test_it_learns(name, several, separable):
    head = ready(name, several)
    rows, classes = separable
    labels = labels_for(head, classes)
    if head.closed_form:
        layer = head.fit(rows[:180], labels[:180], seed=0)
    else:
        layer = head.build_layer(0)
        optimizer = keras.optimizers.Adam(0.02)
        optimizer.build(layer.trainable_variables)
        for _ in range(80):
            with tf.GradientTape() as tape:
                loss = head.loss(labels[:180], layer(rows[:180], training=True))
            variables = layer.trainable_variables
            optimizer.apply(tape.gradient(loss, [one.value for one in variables]), variables)
    logits = layer(rows[180:])
    answer = head.predictions(logits)
    if several:
        right = np.mean(answer["present"].numpy() == (labels[180:] > 0.5))
    else:
        right = np.mean(answer["class_ids"].numpy() == labels[180:])
    assert right > 0.9
    guess = float(head.loss(labels[180:], tf.zeros_like(logits)))
    assert float(head.loss(labels[180:], logits)) < 0.6 * guess


@pytest.mark.parametrize(("name", "several"), cases())
def test_it_saves_and_loads_without_custom_code(name, several, separable, tmp_path):
    head = ready(name, several)
    layer = head.build_layer(2)
    layer.save(tmp_path / "head.keras")
    again = keras.models.load_model(tmp_path / "head.keras")
    np.testing.assert_array_equal(layer(separable[0]), again(separable[0]))


@pytest.mark.parametrize(("name", "several"), cases())
def test_the_scalar_loss_is_the_mean_of_the_samples_losses(name, several, separable):
    head = ready(name, several)
    logits = head.build_layer(1)(separable[0][:6])
    labels = labels_for(head, separable[1][:6])
    each = head.per_sample(labels, logits).numpy()
    assert each.shape == (6,)
    assert np.all(each >= 0)
    np.testing.assert_allclose(head.loss(labels, logits), each.mean(), rtol=1e-6)
    padded = head.loss(labels, logits, sample_weight=[1, 1, 1, 1, 0, 0])
    np.testing.assert_allclose(padded, each[:4].mean(), rtol=1e-6)
