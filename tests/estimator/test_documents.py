"""What documents about tf.estimator show and promise, run here: one test for each of their examples.

Each example is written anew with its gaps filled in the plainest way, ``transferkit.estimator`` in place of
``tf.estimator`` and ``tf.compat.v1`` for names of TensorFlow 1. What a document promises and tf.estimator did
not keep (one graph, used again by every call) is asserted like the rest.
"""

from __future__ import annotations

import itertools
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import transferkit.estimator as estimators

v1 = tf.compat.v1

RANDOM = np.random.default_rng(5)
POINTS = RANDOM.uniform(-1, 1, (192, 2)).astype(np.float32)
ABOVE = (POINTS.sum(1, keepdims=True) > 0).astype(np.float32)
TARGETS = (POINTS @ [[1.5], [-0.5]] + 0.25).astype(np.float32)


def batches(features, labels, size=32, repeat=True, seed=1):
    data = tf.data.Dataset.from_tensor_slices((features, labels)).shuffle(len(features), seed=seed)
    return (data.repeat() if repeat else data).batch(size)


class Counted:
    """A model_fn that counts in which modes it was called."""

    def __init__(self, model_fn):
        self.model_fn = model_fn
        self.modes = []

    def __call__(self, features, labels, mode, params):
        self.modes.append(mode)
        return self.model_fn(features, labels, mode, params)


# "How can TensorFlow Estimator reduce multiple training calls with Adam optimizer?"


def adam_model_fn(features, labels, mode, params):
    """Layers, squared error, Adam; the train_op is made in evaluation too, as the document has it."""
    hidden = tf.keras.layers.Dense(8, activation="tanh")(features)
    predictions = tf.keras.layers.Dense(1)(hidden)
    if mode == estimators.ModeKeys.PREDICT:
        return estimators.EstimatorSpec(mode, predictions=predictions)
    loss = v1.losses.mean_squared_error(labels, predictions)
    optimizer = v1.train.AdamOptimizer(learning_rate=params["learning_rate"])
    train_op = optimizer.minimize(loss, global_step=v1.train.get_global_step())
    metrics = {"accuracy": v1.metrics.accuracy(labels, tf.round(predictions))}
    return estimators.EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)


def test_adam_trained_on_one_data_set_then_on_another_uses_one_graph(tmp_path):
    model_fn = Counted(adam_model_fn)
    estimator = estimators.Estimator(model_fn, str(tmp_path), params={"learning_rate": 0.02})
    first = estimator.train(lambda: batches(POINTS[:96], ABOVE[:96]), steps=60)
    assert first is estimator
    halfway = estimator.evaluate(lambda: batches(POINTS, ABOVE, repeat=False))
    estimator.train(lambda: batches(POINTS[96:], ABOVE[96:]), steps=60)
    result = estimator.evaluate(lambda: batches(POINTS, ABOVE, repeat=False))
    assert (halfway["global_step"], result["global_step"]) == (60, 120)
    assert result["loss"] < halfway["loss"]
    assert result["accuracy"] > 0.85
    # One graph a mode, and Adam's own count went on over both calls.
    assert model_fn.modes == ["train", "eval"]
    assert estimator.trace_counts == {"train": 1, "eval": 1}
    np.testing.assert_allclose(estimator.get_variable_value("beta1_power"), 0.9**121, rtol=1e-4)


def test_a_learning_rate_search_starts_each_model_anew():
    losses = {}
    for rate in (0.0001, 0.01, 0.1):
        estimator = estimators.Estimator(adam_model_fn, params={"learning_rate": rate})
        estimator.train(lambda: batches(POINTS, ABOVE), steps=40)
        result = estimator.evaluate(lambda: batches(POINTS, ABOVE, repeat=False))
        assert result["global_step"] == 40
        assert estimator.params == {"learning_rate": rate}
        losses[rate] = result["loss"]
    # A rate too small to learn in 40 steps loses; no run profits from the one before it.
    assert min(losses, key=losses.get) != 0.0001
    again = estimators.Estimator(adam_model_fn, params={"learning_rate": 0.01})
    again.train(lambda: batches(POINTS, ABOVE), steps=40)
    assert again.evaluate(lambda: batches(POINTS, ABOVE, repeat=False))["loss"] == pytest.approx(losses[0.01])


def test_an_input_fn_reads_parses_and_prefetches_records(tmp_path):
    path = str(tmp_path / "train.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for point, above in zip(POINTS, ABOVE, strict=True):
            feature = {
                "point": tf.train.Feature(float_list=tf.train.FloatList(value=point)),
                "above": tf.train.Feature(float_list=tf.train.FloatList(value=above)),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    spec = {
        "point": tf.io.FixedLenFeature([2], tf.float32),
        "above": tf.io.FixedLenFeature([1], tf.float32),
    }

    def parse(record):
        example = tf.io.parse_single_example(record, spec)
        return example["point"], example["above"]

    def input_fn(data_path, batch_size):
        data = tf.data.TFRecordDataset(data_path).map(parse)
        return data.shuffle(buffer_size=1000).batch(batch_size).prefetch(buffer_size=tf.data.AUTOTUNE)

    config = estimators.RunConfig(tf_random_seed=1)
    params = {"learning_rate": 0.05}
    estimator = estimators.Estimator(adam_model_fn, str(tmp_path / "model"), config, params)
    losses = []
    for _ in range(4):
        # 192 records make three batches of 64: the data end before the 1000 steps do.
        estimator.train(lambda: input_fn(path, 64), steps=1000)
        losses.append(estimator.evaluate(lambda: input_fn(path, 64))["loss"])
    assert estimator.get_variable_value("global_step") == 12
    assert losses[-1] < losses[0]
    assert estimator.trace_counts == {"train": 1, "eval": 1}


# "How can TensorFlow Estimators be used iteratively?"


def descent_model_fn(features, labels, mode, params):
    """A linear model whose spec has a loss and a train_op, and nothing else."""
    weight = v1.get_variable("weight", [2, 1], initializer=v1.zeros_initializer())
    bias = v1.get_variable("bias", [1], initializer=v1.zeros_initializer())
    loss = v1.losses.mean_squared_error(labels, tf.matmul(features, weight) + bias)
    optimizer = v1.train.GradientDescentOptimizer(params["learning_rate"])
    train_op = optimizer.minimize(loss, v1.train.get_global_step())
    return estimators.EstimatorSpec(mode, loss=loss, train_op=train_op)


def test_a_loop_of_epochs_goes_on_where_the_last_one_ended(tmp_path):
    model_fn = Counted(descent_model_fn)
    estimator = estimators.Estimator(model_fn, str(tmp_path), params={"learning_rate": 0.05})
    losses = []
    for epoch in range(10):
        estimator.train(lambda: batches(POINTS[:128], TARGETS[:128]), steps=10)
        result = estimator.evaluate(lambda: batches(POINTS[128:], TARGETS[128:], repeat=False))
        assert result["global_step"] == 10 * (epoch + 1)
        losses.append(result["loss"])
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] / 20
    assert model_fn.modes == ["train", "eval"]


def test_training_resumes_from_its_checkpoint_in_a_new_estimator(tmp_path):
    """ "… the process to resume from the last saved state": two sessions make the run of one."""

    def make(folder):
        return estimators.Estimator(descent_model_fn, str(tmp_path / folder), params={"learning_rate": 0.05})

    make("two").train(lambda: batches(POINTS, TARGETS), max_steps=12)
    second = make("two").train(lambda: batches(POINTS, TARGETS), max_steps=24)
    one = make("one")
    for last in (12, 24):
        one.train(lambda: batches(POINTS, TARGETS), max_steps=last)
    assert second.get_variable_value("global_step") == 24
    np.testing.assert_array_equal(second.get_variable_value("weight"), one.get_variable_value("weight"))


def test_early_stopping_ends_the_loop_once_patience_is_spent(tmp_path):
    estimator = estimators.Estimator(descent_model_fn, str(tmp_path), params={"learning_rate": 0.3})
    best, patience, without_gain, losses = float("inf"), 3, 0, []
    for _ in range(100):
        estimator.train(lambda: batches(POINTS[:128], TARGETS[:128], 128), steps=20)
        losses.append(estimator.evaluate(lambda: batches(POINTS[128:], TARGETS[128:], repeat=False))["loss"])
        if losses[-1] < best:
            best, without_gain = losses[-1], 0
        else:
            without_gain += 1
        if without_gain >= patience:
            break
    # The data are noiseless and end at the precision of float32: no gain is left long before 100 rounds.
    assert patience < len(losses) < 100
    assert best == min(losses) == min(losses[:-patience])
    assert best < 1e-9
    assert estimator.trace_counts == {"train": 1, "eval": 1}


def test_a_grid_of_rates_and_batch_sizes_finds_the_best_pair():
    best_loss, best, seen = float("inf"), {}, []
    for rate, size in itertools.product([0.001, 0.1], [16, 64]):
        estimator = estimators.Estimator(descent_model_fn, params={"learning_rate": rate})
        estimator.train(lambda size=size: batches(POINTS, TARGETS, size), steps=50)
        result = estimator.evaluate(lambda size=size: batches(POINTS, TARGETS, size, repeat=False))
        seen.append(result["loss"])
        if result["loss"] < best_loss:
            best_loss, best = result["loss"], {"learning_rate": rate, "batch_size": size}
    assert best["learning_rate"] == 0.1
    assert best_loss == min(seen) < min(seen[:2]) / 10
    assert len(set(seen)) == 4


# "How does TensorFlow's estimator handle multiple calls to model_fn?"

X = {"x": [[1.0], [2.0], [3.0], [4.0]]}
Y = [[1.1], [2.2], [2.9], [4.1]]


def regression_model_fn(features, labels, mode, params):
    """Linear regression, each mode with what it needs; L2 on the weight where ``params`` ask for it."""
    weight = tf.Variable(tf.zeros([1]), name="weight")
    bias = tf.Variable(tf.zeros([1]), name="bias")
    prediction = tf.add(tf.multiply(features["x"], weight), bias)
    predictions = loss = train_op = metrics = None
    if mode == estimators.ModeKeys.TRAIN:
        loss = tf.reduce_mean(tf.square(prediction - labels))
        loss += params.get("regularization_rate", 0.0) * tf.nn.l2_loss(weight)
        optimizer = v1.train.GradientDescentOptimizer(params["learning_rate"])
        train_op = optimizer.minimize(loss, v1.train.get_global_step())
    elif mode == estimators.ModeKeys.EVAL:
        loss = tf.reduce_mean(tf.square(prediction - labels))
        metrics = {"rmse": v1.metrics.root_mean_squared_error(labels, prediction)}
    else:
        predictions = {"predictions": prediction}
    return estimators.EstimatorSpec(
        mode=mode, predictions=predictions, loss=loss, train_op=train_op, eval_metric_ops=metrics
    )


def four(features=X):
    return tf.data.Dataset.from_tensor_slices((features, Y)).batch(4)


def test_one_graph_serves_training_evaluation_and_prediction(tmp_path):
    model_fn = Counted(regression_model_fn)
    estimator = estimators.Estimator(model_fn, str(tmp_path), params={"learning_rate": 0.05})
    for _ in range(3):
        estimator.train(lambda: four().repeat(), steps=200)
        result = estimator.evaluate(four)
        predicted = [one["predictions"][0] for one in estimator.predict(lambda: four())]
    # Least squares over the four points: slope 0.97, intercept 0.15.
    np.testing.assert_allclose(estimator.get_variable_value("weight"), [0.97], atol=1e-3)
    np.testing.assert_allclose(estimator.get_variable_value("bias"), [0.15], atol=3e-3)
    np.testing.assert_allclose(predicted, [1.12, 2.09, 3.06, 4.03], atol=5e-3)
    assert result["rmse"] == pytest.approx(np.sqrt(result["loss"]), rel=1e-4)
    assert model_fn.modes == ["train", "eval", "infer"]
    assert estimator.trace_counts == {"train": 1, "eval": 1, "infer": 1}


def test_a_regularised_model_has_the_smaller_weight():
    params = {"learning_rate": 0.05, "regularization_rate": 0.0}
    weights, losses = [], []
    for rate in (0.0, 1.0):
        estimator = estimators.Estimator(regression_model_fn, params={**params, "regularization_rate": rate})
        estimator.train(lambda: four().repeat(), steps=600)
        weights.append(float(estimator.get_variable_value("weight")[0]))
        losses.append(estimator.evaluate(four)["loss"])
    # By hand: the centred x have a mean square of 1.25, so the weight shrinks by 2.5 / (2.5 + rate).
    assert weights == pytest.approx([0.97, 0.97 * 2.5 / 3.5], abs=2e-3)
    # The penalty belongs to training alone: what evaluation calls loss is the error itself.
    assert losses[0] == pytest.approx(0.01075, abs=1e-4)
    assert losses[1] > losses[0]


def small_normal(shape):
    return tf.random.normal(shape, stddev=0.1)


def hidden_model_fn(features, labels, mode, params):
    """A hidden layer over features of two numbers."""
    first = params.get("initial", tf.zeros)
    units = params["hidden_units"]
    weight1 = tf.Variable(first([params.get("width", 2), units]), name="weight1")
    weight2 = tf.Variable(first([units, 1]), name="weight2")
    bias1 = tf.Variable(tf.zeros([units]), name="bias1")
    bias2 = tf.Variable(tf.zeros([1]), name="bias2")
    prediction = tf.matmul(tf.nn.relu(tf.matmul(features["x1"], weight1) + bias1), weight2) + bias2
    if mode == estimators.ModeKeys.PREDICT:
        return estimators.EstimatorSpec(mode, predictions={"predictions": prediction})
    loss = tf.reduce_mean(tf.square(prediction - labels))
    optimizer = v1.train.GradientDescentOptimizer(params["learning_rate"])
    train_op = optimizer.minimize(loss, v1.train.get_global_step())
    return estimators.EstimatorSpec(mode, loss=loss, train_op=train_op)


PAIRS = {"x1": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]}


def test_a_hidden_layer_over_several_features(tmp_path):
    params = {"learning_rate": 0.005, "hidden_units": 10, "initial": small_normal}
    model_fn = Counted(hidden_model_fn)
    config = estimators.RunConfig(tf_random_seed=1)
    estimator = estimators.Estimator(model_fn, str(tmp_path), config, params)
    estimator.train(lambda: four(PAIRS).repeat(), steps=1)
    start = estimator.evaluate(lambda: four(PAIRS))["loss"]
    estimator.train(lambda: four(PAIRS).repeat(), steps=400)
    assert estimator.evaluate(lambda: four(PAIRS))["loss"] < min(0.1, start)
    predicted = [one["predictions"][0] for one in estimator.predict(lambda: four(PAIRS))]
    np.testing.assert_allclose(predicted, np.ravel(Y), atol=0.5)
    assert model_fn.modes == ["train", "eval", "infer"]


def test_the_hidden_layer_as_printed_learns_the_mean_alone_and_a_wrong_width_is_named():
    """All weights begin at zero in the document, where a ReLU passes no gradient; and it has width 1."""
    params = {"learning_rate": 0.1, "hidden_units": 10}
    estimator = estimators.Estimator(hidden_model_fn, params=params)
    estimator.train(lambda: four(PAIRS).repeat(), steps=100)
    assert not estimator.get_variable_value("weight1").any()
    np.testing.assert_allclose(estimator.get_variable_value("bias2"), [np.mean(Y)], rtol=1e-4)
    wrong = estimators.Estimator(hidden_model_fn, params={**params, "width": 1})
    with pytest.raises(ValueError, match=r"Dimensions must be equal.*\[4|Dimensions must be equal"):
        wrong.train(lambda: four(PAIRS), steps=1)


# "How can TensorFlow Estimators be used for transfer learning and retraining?"

PHOTOS = RANDOM.uniform(0, 255, (8, 75, 75, 3)).astype(np.float32)
KINDS = np.arange(8, dtype=np.int64) % 4


def transfer_model_fn(features, labels, mode, model, optimizer, trainable):
    """The usual model_fn around a Keras model that was built outside and is captured."""
    probabilities = model(features / 127.5 - 1.0, training=mode == estimators.ModeKeys.TRAIN)
    if mode == estimators.ModeKeys.PREDICT:
        return estimators.EstimatorSpec(mode, predictions={"probabilities": probabilities})
    loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, probabilities))
    if mode == estimators.ModeKeys.EVAL:
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        accuracy.update_state(labels, probabilities)
        return estimators.EstimatorSpec(mode, loss=loss, eval_metric_ops={"accuracy": accuracy})
    gradients = tf.gradients(loss, [variable.value for variable in trainable])
    train_op = optimizer.apply_gradients(zip(gradients, trainable, strict=True))
    return estimators.EstimatorSpec(mode, loss=loss, train_op=train_op)


def transfer_estimator(base, folder, rate=0.01):
    """The base without its classifier, new layers on top, in an Estimator."""
    x = keras.layers.GlobalAveragePooling2D()(base.output)
    x = keras.layers.Dense(32, activation="relu", name="adapted")(x)
    model = keras.Model(base.input, keras.layers.Dense(4, activation="softmax", name="classes")(x))
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(model.trainable_variables)
    trainable = model.trainable_variables
    estimator = estimators.Estimator(
        model_fn=lambda features, labels, mode: transfer_model_fn(
            features, labels, mode, model, optimizer, trainable
        ),
        model_dir=str(folder),
    )
    return estimator, model


def photos():
    return tf.data.Dataset.from_tensor_slices((PHOTOS, KINDS)).batch(8)


@pytest.fixture
def small_base():
    """A network with the parts of a big one: convolutions, batch normalisation, activations."""
    keras.utils.set_random_seed(3)
    image = keras.Input((75, 75, 3))
    x = image
    for number, width in enumerate((8, 16, 32)):
        x = keras.layers.Conv2D(width, 3, strides=3, use_bias=False, name=f"conv{number}")(x)
        x = keras.layers.BatchNormalization(name=f"norm{number}", momentum=0.5)(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)
    return keras.Model(image, x)


def settle_batch_norm(base):
    """Batch statistics of the photos as moving ones: random weights let nothing through otherwise."""
    norms = [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    base(PHOTOS / 127.5 - 1.0, training=True)


def values(layers):
    return {f"{v.path}": v.numpy() for layer in layers for v in layer.variables}


def test_inception_with_new_top_layers_learns_new_classes(tmp_path):
    keras.utils.set_random_seed(3)
    base = keras.applications.InceptionV3(weights=None, include_top=False, input_shape=(75, 75, 3))
    settle_batch_norm(base)
    base.trainable = False
    estimator, model = transfer_estimator(base, tmp_path / "inception_v3_transfer", rate=0.001)
    before = values(base.layers)
    losses = []
    for _ in range(2):
        estimator.train(lambda: photos().repeat(), steps=6)
        losses.append(estimator.evaluate(photos)["loss"])
    assert losses[1] < losses[0] < np.log(4)
    assert losses[1] < 0.5 * np.log(4)
    assert model.output_shape == (None, 4)
    after = values(base.layers)
    assert len(before) == 94 * 4
    assert all(np.array_equal(before[name], after[name]) for name in before)
    # The pretrained weights are in the checkpoint too: evaluation elsewhere needs nothing else.
    assert len(estimator.get_variable_names()) > len(before)
    assert estimator.trace_counts == {"train": 1, "eval": 1}


def test_frozen_layers_stay_as_they_are_to_the_bit(small_base, tmp_path):
    for layer in small_base.layers[:-5]:
        layer.trainable = False
    estimator, model = transfer_estimator(small_base, tmp_path)
    frozen, rest = small_base.layers[:-5], small_base.layers[-5:]
    before, moving = values(frozen), values([*rest, model.get_layer("adapted"), model.get_layer("classes")])
    estimator.train(lambda: photos().repeat(), steps=10)
    estimator.evaluate(photos)
    after = values(frozen)
    assert len(before) == 5 + 1
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name], err_msg=name)
    moved = values([*rest, model.get_layer("adapted"), model.get_layer("classes")])
    # Kernels, scales and moving statistics of what is not frozen did move.
    assert [name for name, value in moving.items() if np.array_equal(value, moved[name])] == []


class Rates(v1.train.SessionRunHook):
    """Notes a tensor of the model_fn's graph at each step."""

    def __init__(self, name):
        self.name, self.seen = name, []

    def before_run(self, run_context):
        return v1.train.SessionRunArgs(self.name)

    def after_run(self, run_context, run_values):
        self.seen.append(float(run_values.results))


def test_a_piecewise_constant_rate_moves_a_keras_optimizer_in_steps(tmp_path):
    """With a constant gradient of 1 each Adam step is the learning rate itself."""

    def model_fn(features, labels, mode):
        weight = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="line")
        loss = tf.reduce_mean(weight(features))
        rate = v1.train.piecewise_constant(v1.train.get_global_step(), [3, 6], [0.1, 0.01, 0.001])
        tf.identity(rate, name="rate")
        optimizer = tf.keras.optimizers.Adam(learning_rate=rate, epsilon=1e-12)
        gradients = tf.gradients(loss, [weight.kernel.value])
        train_op = optimizer.apply_gradients(zip(gradients, [weight.kernel], strict=True))
        return estimators.EstimatorSpec(mode, loss=loss, train_op=train_op)

    ones = np.ones((4, 1), np.float32)
    hook, hit = Rates("rate:0"), []
    estimator = estimators.Estimator(model_fn, str(tmp_path))
    for _ in range(10):
        estimator.train(lambda: tf.data.Dataset.from_tensors((ones, ones)), hooks=[hook])
        name = next(n for n in estimator.get_variable_names() if n == "line/kernel")
        hit.append(float(estimator.get_variable_value(name)[0, 0]))
    expected = [0.1] * 4 + [0.01] * 3 + [0.001] * 3
    np.testing.assert_allclose(hook.seen, expected, rtol=1e-6)
    np.testing.assert_allclose(np.diff([0.0, *hit]), -np.array(expected), rtol=1e-3)
    assert estimator.trace_counts == {"train": 1}


# "Tensorflow Estimator API": what an Estimator does besides, without being asked.


def test_train_evaluate_predict_export_with_checkpoints_and_summaries(tmp_path):
    config = estimators.RunConfig(save_checkpoints_steps=20, save_summary_steps=10, keep_checkpoint_max=2)
    estimator = estimators.Estimator(
        regression_model_fn, str(tmp_path / "model"), config, {"learning_rate": 0.05}
    )
    estimator.train(lambda: four().repeat(), steps=50)
    assert estimator.evaluate(four)["global_step"] == 50
    predicted = [one["predictions"] for one in estimator.predict(lambda: four())]
    receive = estimators.build_raw_serving_input_receiver_fn({"x": np.zeros((1, 1), np.float32)})
    served = tf.saved_model.load(os.fsdecode(estimator.export_saved_model(tmp_path / "export", receive)))
    answer = served.signatures["serving_default"](x=tf.constant(X["x"]))["predictions"]
    np.testing.assert_allclose(answer, predicted, rtol=1e-6)
    assert sorted(p.name for p in (tmp_path / "model").glob("*.index")) == [
        "model.ckpt-40.index",
        "model.ckpt-50.index",
    ]
    written = set()
    for path in (tmp_path / "model").glob("events.*"):
        for event in v1.train.summary_iterator(str(path)):
            written.update(event.step for value in event.summary.value if value.tag == "loss")
    assert sorted(written)[:2] == [1, 11]


def test_a_failed_training_recovers_from_its_checkpoint(tmp_path):
    calls = []

    def input_fn():
        calls.append(len(calls))
        good = four().repeat(30)
        broken = four().map(
            lambda x, y: (x, tf.debugging.check_numerics(tf.math.log(-tf.ones_like(y)), "no"))
        )
        return good.concatenate(broken) if len(calls) == 1 else four().repeat()

    config = estimators.RunConfig(save_checkpoints_steps=10)
    params = {"learning_rate": 0.05}
    estimator = estimators.Estimator(regression_model_fn, str(tmp_path), config, params)
    with pytest.raises(tf.errors.InvalidArgumentError):
        estimator.train(input_fn, max_steps=60)
    assert estimators.Estimator(regression_model_fn, str(tmp_path), config, params).get_variable_value(
        "global_step"
    ) in (20, 30)
    estimators.Estimator(regression_model_fn, str(tmp_path), config, params).train(input_fn, max_steps=60)
    whole = estimators.Estimator(regression_model_fn, str(tmp_path / "whole"), config, params)
    whole.train(lambda: four().repeat(), max_steps=60)
    np.testing.assert_array_equal(
        tf.train.load_variable(str(tmp_path), "weight"), whole.get_variable_value("weight")
    )


def test_the_same_model_fn_trains_under_a_distribution_strategy(tmp_path):
    weights = []
    for name in (None, "cpu", "mirrored"):
        config = estimators.RunConfig(train_distribute=name)
        estimator = estimators.Estimator(
            regression_model_fn, str(tmp_path / str(name)), config, {"learning_rate": 0.05}
        )
        estimator.train(lambda: four().repeat(), steps=20)
        weights.append(estimator.get_variable_value("weight"))
    # "mirrored" feeds each device the same batch here, however many there are: the mean gradient is the same.
    np.testing.assert_allclose(weights[1:], [weights[0]] * 2, rtol=1e-5)
