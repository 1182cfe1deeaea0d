"""The proof finds a single bit that moved, and counts what did not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from transferkit.freezing import FrozenMovedError, Proof, plan_freeze


def cut(*variables: Any) -> Any:
    return SimpleNamespace(frozen_variables=variables)


def test_unchanged() -> None:
    proof = Proof()
    proof.watch(cut(tf.Variable([1.0, 2.0]), tf.Variable(3)))
    assert proof.check() == "frozen: 2 tensors unchanged"


def test_one_bit() -> None:
    kept, moved = tf.Variable([1.0]), tf.Variable([1.0, 2.0], name="moved")
    proof = Proof()
    proof.watch(cut(kept, moved))
    moved.assign([1.0, np.nextafter(np.float32(2.0), np.float32(3.0))])
    with pytest.raises(FrozenMovedError, match="1 of 2 frozen tensors moved in training: moved"):
        proof.check()


def test_signs_of_zero_and_nan_are_bits_too() -> None:
    zero, nan = tf.Variable([0.0]), tf.Variable([float("nan")])
    proof = Proof()
    proof.watch(cut(zero, nan))
    assert proof.check() == "frozen: 2 tensors unchanged"
    zero.assign([-0.0])
    with pytest.raises(FrozenMovedError):
        proof.check()


def test_a_later_phase_may_open_what_an_earlier_one_kept() -> None:
    always, later = tf.Variable(1.0), tf.Variable(1.0)
    proof = Proof()
    proof.watch(cut(always, later))
    proof.watch(cut(always))
    later.assign(2.0)
    assert proof.check() == "frozen: 1 tensors unchanged"


def test_a_new_phase_first_checks_the_one_before() -> None:
    early = tf.Variable(1.0, name="early")
    proof = Proof()
    proof.watch(cut(early))
    early.assign(2.0)
    with pytest.raises(FrozenMovedError, match="early"):
        proof.watch(cut())


@pytest.mark.parametrize("batch_norm", ["frozen", "train"])
def test_training_a_part_of_a_network(mobilenet: Any, batch_norm: Any) -> None:
    """Real steps on two open stages: everything else stays, bit by bit."""
    rules = [
        {"match": "block_1[56]_.*", "trainable": True},
        {"match": "Conv_1.*", "trainable": False},
        {"match": ".*", "trainable": False},
    ]
    plan = plan_freeze(rules, mobilenet, batch_norm)
    part = plan.cut()
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    values = [variable.value for variable in part.trainable_variables]
    before = {one.path: np.asarray(one).copy() for one in mobilenet.variables}
    proof = Proof()
    proof.watch(part)
    x = part.prefix(images)
    optimizer = tf.keras.optimizers.SGD(0.1)
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(part.suffix(x, training=True))
        optimizer.apply(tape.gradient(loss, values), list(part.trainable_variables))
    open_statistics = 12 if batch_norm == "train" else 0
    frozen = len(mobilenet.variables) - len(values) - open_statistics
    assert proof.check() == f"frozen: {frozen} tensors unchanged"
    moved = {one.path for one in mobilenet.variables if not np.array_equal(before[one.path], one)}
    assert moved
    assert all(path.startswith(("block_15_", "block_16_")) for path in moved)
    assert any("moving" in path for path in moved) == (batch_norm == "train")
