"""A last batch that is filled up to the shape of the others gives what its images alone would give."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf

from transferkit.activations.division import Division
from transferkit.estimator import Estimator, RunConfig
from transferkit.recipe import load
from transferkit.training.optimizer import build_optimizer
from transferkit.training.parts import open_parts
from transferkit.transfer.epoch_mean import EpochMean
from transferkit.transfer.model_fn import make_model_fn

CLASSES = ("a", "b", "c")
IMAGES, BATCH = 13, 8
PLAIN = "head.dropout=0.0"
CASES = {
    "linear": [PLAIN, "head.l2=0.01", "loss.label_smoothing=0.1", "loss.class_weights=[1.0, 2.0, 0.5]"],
    "several labels": ["head={kind='multi_label', dropout=0.0}"],
    "live batch norm": [PLAIN, "freeze={last=3}", "batch_norm=train", "gradient_clipping=0.01"],
}
MORE = {
    "dropout": ["head.dropout=0.5"],
    "mlp": ["head={kind='mlp', dropout=0.0, l2=0.01}"],
    "cosine": ["head=cosine", "loss=focal"],
    "frozen batch norm": [PLAIN, "freeze={last=3}", "ema=0.5"],
    "mixed precision": [PLAIN, "freeze={last=2}", "mixed_precision=true"],
}


def make(settings, jit_compile=False):
    """A network with its Estimator, and what an epoch of it is made of."""
    sgd = "optimizer={name='sgd', learning_rate=1.0}"
    recipe = load("retrain", [sgd, *settings], backbone="embedded")
    parts = open_parts(recipe, CLASSES)
    phase = recipe.resolved_phases[0]
    plan = parts.plan(phase)
    network = parts.network(phase, plan)
    optimizer, _ = build_optimizer(phase, 2, plan, network)
    optimizer.build(network.trainable_variables)
    mean = EpochMean(2)
    config = RunConfig(tf_random_seed=1, jit_compile=jit_compile)
    return network, mean, Estimator(make_model_fn(network, optimizer, mean), config=config)


def batches(network, fills):
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(size=(IMAGES, *network.cut.shape))).astype(np.float32)
    several = network.head.multi_label
    y = rng.integers(0, 2, (IMAGES, 3)).astype(np.float32) if several else rng.integers(0, 3, IMAGES)
    whole = tf.data.Dataset.from_tensor_slices(({"activations": x}, y)).batch(BATCH)
    return Division(BATCH, fills=fills).apply(whole, IMAGES)


@functools.lru_cache
def one_epoch(case, fills, jit_compile=False):
    settings = {**CASES, **MORE}[case]
    network, mean, estimator = make(settings, jit_compile)
    estimator.train(lambda: batches(network, fills))
    measured = estimator.evaluate(lambda: batches(network, fills))
    state = [np.asarray(one) for one in network.state_variables if one.dtype != "uint32"]
    figures = np.array([mean.result(), mean.accuracy(), measured["average_loss"], measured["accuracy"]])
    return figures, state, dict(estimator.trace_counts)


QUICK = ("linear", "live batch norm")


@pytest.mark.parametrize(
    "case",
    [pytest.param(one, marks=() if one in QUICK else pytest.mark.slow) for one in [*CASES, *MORE]],
)
def test_losses_metrics_and_gradients_are_those_of_the_images_alone(case):
    alone, filled = one_epoch(case, False), one_epoch(case, True)
    # bfloat16 has three digits.
    within = 1e-6 if case != "mixed precision" else 1e-4
    np.testing.assert_allclose(filled[0], alone[0], rtol=within, atol=within)
    assert len(filled[1]) == len(alone[1]) > 1
    for ours, wanted in zip(filled[1], alone[1], strict=True):
        # A rate of 1: what a weight moved by is its gradient.
        np.testing.assert_allclose(ours, wanted, rtol=within, atol=within)
    assert filled[2] == {"train": 1, "eval": 1}


def test_every_batch_has_one_shape_that_is_known():
    network, _, _ = make([PLAIN])
    spec = batches(network, True).element_spec
    assert spec[0]["activations"].shape == (BATCH, *network.cut.shape)
    assert spec[0]["weights"].shape == spec[1].shape == (BATCH,)


@pytest.mark.parametrize(
    "case", ["live batch norm", *(pytest.param(one, marks=pytest.mark.slow) for one in [*CASES][:2])]
)
def test_steps_of_training_and_evaluation_compile_with_xla(case):
    compiled, plain = one_epoch(case, True, jit_compile=True), one_epoch(case, True)
    np.testing.assert_allclose(compiled[0], plain[0], rtol=1e-5, atol=1e-5)


def test_the_frozen_pass_compiles_with_xla():
    from transferkit.activations.engines.prefix_engine import TensorFlowEngine, trace

    network, _, _ = make([PLAIN])
    traced = trace(network.cut, (128, 128))
    kinds = {operation.type for operation in traced.graph.get_operations()}
    assert not kinds & {"PyFunc", "EagerPyFunc", "DecodeImage"}
    images = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    plain = TensorFlowEngine(traced)(images)
    compiled = TensorFlowEngine(traced, jit=True, batch=2)(images)
    np.testing.assert_allclose(compiled, plain, rtol=1e-4, atol=1e-4)


def test_a_head_that_looks_at_other_rows_gets_no_rows_that_are_none():
    from transferkit.keras3 import keras

    network, _, _ = make([PLAIN])
    assert network.by_rows
    network.layer = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    assert not network.by_rows
    network.layer = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activity_regularizer="l2")])
    assert not network.by_rows
