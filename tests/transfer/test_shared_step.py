"""A batch that is divided over workers: what they add up is what the whole batch gives."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from transferkit.heads import make_head
from transferkit.transfer.network import Network
from transferkit.transfer.shared_step import shared_step
from transferkit.transfer.standardise import Standardise

WIDTH, CLASSES = 6, 3
RNG = np.random.default_rng(0)
FEATURES = RNG.standard_normal((10, WIDTH), np.float32)
LABELS = RNG.integers(0, CLASSES, 10)
CUT = SimpleNamespace(
    suffix=lambda features, training=False: features,
    trainable_variables=(),
    suffix_variables=(),
    frozen_variables=(),
    regularisation_losses=(),
)


def network(**options):
    head = make_head({"kind": "mlp", **options}, WIDTH, [str(number) for number in range(CLASSES)])
    return Network(CUT, head, head.build_layer(3), Standardise(WIDTH))


def right(network, labels, logits):
    return tf.equal(tf.argmax(logits, axis=1), labels)


def part(made, places, fill=False):
    """A worker's step on some of the batch, and the sums that it brings."""
    brought = []

    def total(flat):
        brought.append(flat.numpy())
        return flat

    for variable in made.layer.variables:
        if variable.path.endswith("seed_generator_state"):
            variable.assign(np.array([5, 0], np.uint32))
    weight = np.zeros(1, np.float32) if fill else np.ones(len(places), np.float32)
    features = {
        "activations": tf.constant(FEATURES[places]),
        "weight": tf.constant(weight),
        "place": tf.constant(places, tf.int64),
        "whole": tf.constant(len(FEATURES), tf.int64),
    }
    step = shared_step(made, made.trainable_variables, features, tf.constant(LABELS[places]), right, total)
    return step, brought[0]


@pytest.mark.parametrize("options", [{"dropout": 0.0}, {"dropout": 0.4, "l2": 0.01}])
def test_the_sums_of_unequal_parts_are_those_of_the_whole(options):
    made = network(**options)
    order = np.arange(10)
    _, whole = part(made, order)
    # One worker has no image of the batch: a row of weight 0 stands for none.
    brought = [part(made, order[:7])[1], part(made, order[7:])[1], part(made, order[:1], fill=True)[1]]
    np.testing.assert_allclose(sum(brought), whole, rtol=1e-5, atol=1e-6)
    assert brought[2][-1] == 0


def test_one_worker_alone_takes_the_step_of_one_machine():
    made = network(dropout=0.0, l2=0.01)
    step, _ = part(made, np.arange(10))
    with tf.GradientTape() as tape:
        logits = made.logits({"activations": tf.constant(FEATURES)}, training=True)
        loss = tf.add_n([made.head.loss(tf.constant(LABELS), logits), *made.penalties()])
    expected = tape.gradient(loss, [variable.value for variable in made.trainable_variables])
    np.testing.assert_allclose(step.loss, loss, rtol=1e-6)
    for one, other in zip(step.gradients, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert (float(step.count), float(step.right)) == (10, float(np.sum(np.argmax(logits, 1) == LABELS)))
