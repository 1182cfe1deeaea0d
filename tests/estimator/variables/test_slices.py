"""A variable that a partitioner cut is one variable in a checkpoint."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec, WarmStartSettings

v1 = tf.compat.v1


def model_in(parts):
    """A linear model whose weights are cut into ``parts``, trained by Adagrad."""

    def model_fn(features, labels, mode):
        cut = v1.fixed_size_partitioner(parts) if parts else None
        weights = v1.get_variable("weights", [4, 1], partitioner=cut)
        loss = tf.reduce_mean((tf.matmul(features, tf.convert_to_tensor(weights)) - 1.0) ** 2)
        train_op = v1.train.AdagradOptimizer(0.1).minimize(loss, v1.train.get_global_step())
        return EstimatorSpec(mode, {"loss": tf.reshape(loss, [1])}, loss, train_op)

    return model_fn


def rows():
    return tf.data.Dataset.from_tensors(np.arange(8, dtype=np.float32).reshape(2, 4)).repeat()


def test_parts_are_merged_and_cut_anew(tmp_path):
    two = Estimator(model_in(2), str(tmp_path / "model")).train(rows, steps=3)
    assert two.get_variable_names() == ["global_step", "weights", "weights/Adagrad"]
    assert two.get_variable_value("weights").shape == (4, 1)
    loss = two.evaluate(rows, steps=1)["loss"]
    # Another cut, none, and the same in another process read the same weights, and train on.
    for parts in (4, None, 2):
        other = Estimator(model_in(parts), str(tmp_path / "model"))
        assert other.evaluate(rows, steps=1)["loss"] == np.float32(loss)
    before = two.get_variable_value("weights")
    warm = Estimator(model_in(4), warm_start_from=WarmStartSettings(str(tmp_path / "model"), "weights"))
    warm.train(rows, steps=1)
    np.testing.assert_allclose(warm.get_variable_value("weights"), before, atol=0.2)
    assert not np.array_equal(warm.get_variable_value("weights"), before)
    assert other.train(rows, steps=1).get_variable_value("global_step") == 4
