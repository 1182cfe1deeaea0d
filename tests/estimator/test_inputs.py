"""What an input_fn may give, and which arguments it may take."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec, RunConfig
from transferkit.estimator.inputs.call import call_input_fn

v1 = tf.compat.v1


def counting(features, labels, mode):
    """Its metric is the mean of the sums of what it was given."""
    loss = tf.reduce_sum(features["x"])
    if mode == "infer":
        return EstimatorSpec(mode, predictions=features["x"])
    metrics = {"sum": v1.metrics.mean_tensor(tf.stack([loss, tf.reduce_sum(labels)]))}
    step = v1.train.get_global_step()
    return EstimatorSpec(mode, loss=loss, train_op=step.assign_add(1), eval_metric_ops=metrics)


def data():
    return {"x": np.arange(6, dtype=np.float32)}, np.arange(6, dtype=np.float32) * 10


def one_shot():
    return v1.data.make_one_shot_iterator(v1.data.Dataset.from_tensor_slices(data()).batch(2)).get_next()


def initializable():
    iterator = v1.data.make_initializable_iterator(v1.data.Dataset.from_tensor_slices(data()).batch(2))
    v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    features, labels = iterator.get_next()
    return {"x": tf.identity(features["x"])}, labels


def queued():
    features, label = data()
    x, y = v1.train.slice_input_producer([features["x"], label], num_epochs=1, shuffle=False)
    x, y = v1.train.batch([x, y], 2, allow_smaller_final_batch=True)
    return {"x": x}, y


def dataset():
    return tf.data.Dataset.from_tensor_slices(data()).batch(2)


@pytest.mark.parametrize("input_fn", [one_shot, initializable, queued, dataset])
def test_every_batch_is_seen_once(input_fn):
    result = Estimator(counting).evaluate(input_fn)
    np.testing.assert_allclose(result["sum"], [5.0, 50.0])
    assert result["loss"] == 5.0
    estimator = Estimator(counting).train(input_fn)
    assert estimator.get_variable_value("global_step") == 3


def sparse():
    def pack(features, labels):
        return {"x": tf.sparse.from_dense(features["x"])}, labels

    return dataset().map(pack)


def ragged():
    def pack(features, labels):
        return {"x": tf.RaggedTensor.from_row_lengths(features["x"], [1, 1])}, labels

    return dataset().map(pack)


def with_nothing():
    return dataset().map(lambda features, labels: ({**features, "nothing": None}, labels))


@pytest.mark.parametrize("input_fn", [sparse, ragged, with_nothing])
def test_elements_that_are_no_plain_tensors_are_seen_once_too(input_fn):
    def model_fn(features, labels, mode):
        x = features["x"]
        if isinstance(x, tf.SparseTensor):
            x = tf.sparse.to_dense(x)
        elif isinstance(x, tf.RaggedTensor):
            x = x.flat_values
        assert features.get("nothing") is None
        return counting({"x": x}, labels, mode)

    result = Estimator(model_fn).evaluate(input_fn)
    np.testing.assert_allclose(result["sum"], [5.0, 50.0])
    assert Estimator(model_fn).train(input_fn).get_variable_value("global_step") == 3


def test_features_and_labels_as_they_are_go_on_for_ever():
    estimator = Estimator(counting).train(lambda: ({"x": tf.ones([2])}, tf.ones([2])), steps=5)
    assert estimator.get_variable_value("global_step") == 5


def test_features_in_a_list_are_several_tensors():
    first, second = np.zeros((4, 2), np.float32), np.ones((4, 2), np.float32)
    dataset, labelled = call_input_fn(lambda: ([first, second], [first[:, :1], second]), "train", None, None)
    assert labelled
    features, labels = next(iter(dataset))
    assert [part.shape for part in (*features, *labels)] == [(4, 2), (4, 2), (4, 1), (4, 2)]
    numbers, _ = call_input_fn(lambda: ({"x": [[1.0], [2.0]]}, [0.0, 1.0]), "train", None, None)
    assert next(iter(numbers))[0]["x"].shape == (2, 1)


def test_arguments_are_found_by_name():
    given = {}

    def input_fn(mode, params, config, input_context):
        given.update(mode=mode, params=params, seed=config.tf_random_seed, context=input_context)
        return dataset()

    def model_fn(features, labels, mode, params):
        return counting(features, labels, mode)

    Estimator(model_fn, params={"a": 1}, config=RunConfig(tf_random_seed=5)).train(input_fn, steps=1)
    assert (given["mode"], given["params"], given["seed"]) == ("train", {"a": 1}, 5)
    assert given["context"].num_input_pipelines == 1


@pytest.mark.parametrize("wrong", [None, (1, 2, 3)])
def test_other_things_are_refused(wrong):
    with pytest.raises(ValueError, match="input_fn"):
        Estimator(counting).train(lambda: wrong, steps=1)


def test_shuffles_differ_between_calls_and_repeat_between_runs(tmp_path):
    def order(folder):
        seen = []

        class Look(v1.train.SessionRunHook):
            def before_run(self, run_context):
                return v1.train.SessionRunArgs(v1.get_default_graph().get_tensor_by_name("input_0_0:0"))

            def after_run(self, run_context, run_values):
                seen.append(run_values.results.tolist())

        estimator = Estimator(counting, str(tmp_path / folder), RunConfig(tf_random_seed=1))
        for _ in range(2):
            estimator.train(lambda: dataset().unbatch().shuffle(6).batch(6), hooks=[Look()])
        return seen

    first, second = order("a"), order("b")
    assert first == second
    assert first[0] != first[1]
    assert sorted(first[0]) == sorted(first[1])


def test_an_iterator_that_nobody_initializes_is_named_as_such():
    def input_fn():
        data = tf.data.Dataset.from_tensors(({"x": [1.0]}, [1.0])).repeat()
        return v1.data.make_initializable_iterator(data).get_next()

    with pytest.raises(tf.errors.FailedPreconditionError, match="not been initialized"):
        Estimator(counting).train(input_fn, steps=1)


class Initialize(v1.train.SessionRunHook):
    """Runs what the input_fn has told it, once there is a session."""

    run = None

    def after_create_session(self, session, coord):
        self.run(session)


def test_a_hook_initializes_the_iterator_of_an_input_fn(tmp_path):
    def model_fn(features, labels, mode):
        weight = v1.get_variable("w", [], initializer=v1.zeros_initializer())
        if mode == "infer":
            return EstimatorSpec(mode, predictions=features["x"] * (weight + 1))
        train_op = weight.assign(tf.reduce_sum(features["x"]))
        return EstimatorSpec(mode, loss=tf.reduce_mean(features["x"]), train_op=train_op)

    def fed(values):
        hook = Initialize()

        def input_fn():
            given = v1.placeholder(tf.float32, [None])
            data = v1.data.Dataset.from_tensor_slices(given).repeat().batch(2)
            iterator = v1.data.make_initializable_iterator(data)
            hook.run = lambda session: session.run(iterator.initializer, {given: values})
            return {"x": iterator.get_next()}

        return {"input_fn": input_fn, "hooks": [hook]}

    model = Estimator(model_fn, str(tmp_path))
    for values in ([1.0, 2.0], [3.0, 4.0, 5.0, 6.0]):
        model.train(**fed(values), steps=1)
        assert model.get_variable_value("w") == values[0] + values[1]
    assert model.evaluate(**fed([8.0, 4.0]), steps=2)["loss"] == 6.0
    assert next(model.predict(**fed([1.0]))) == 8.0
