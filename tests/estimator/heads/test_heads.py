"""Heads give the losses, metrics and predictions that their formulas say, and train in an Estimator."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

import transferkit.estimator as tke

LOGITS = np.array([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3], [-1.0, 1.0, 0.0], [0.0, 0.0, 3.0]], np.float32)
ONE = LOGITS[:, :1]
FEATURES = {"x": LOGITS, "w": np.array([1.0, 2.0, 0.0, 0.5], np.float32)}
WEIGHTS = FEATURES["w"]
CLASSES = np.array([0, 2, 1, 0])
BITS = np.array([1, 0, 0, 1])


def _softmax_losses(labels):
    return np.log(np.exp(LOGITS).sum(1)) - LOGITS[np.arange(4), labels]


def _sigmoid_losses(labels, logits):
    return np.log1p(np.exp(logits)) - labels * logits


def _metrics(head, labels, logits, features=FEATURES):
    metrics = head.metrics()
    for part in (slice(0, 3), slice(3, 4)):
        some = {key: value[part] for key, value in features.items()}
        metrics = head.update_metrics(metrics, some, logits[part], labels[part])
    return {key: float(metric.result()) for key, metric in metrics.items()}


def test_one_of_several_classes():
    head = tke.MultiClassHead(3, weight_column="w", name="top")
    losses = _softmax_losses(CLASSES) * WEIGHTS
    assert float(head.loss(CLASSES, LOGITS, FEATURES)) == pytest.approx(losses.mean(), rel=1e-5)
    metrics = _metrics(head, CLASSES, LOGITS)
    assert metrics["average_loss/top"] == pytest.approx(losses.sum() / WEIGHTS.sum(), rel=1e-5)
    assert metrics["accuracy/top"] == pytest.approx(3.0 / 3.5, rel=1e-5)
    predictions = head.predictions(LOGITS)
    assert predictions["class_ids"].numpy().tolist() == [[0], [2], [1], [2]]
    assert predictions["classes"].numpy().tolist() == [[b"0"], [b"2"], [b"1"], [b"2"]]
    assert predictions["all_classes"].numpy()[1].tolist() == [b"0", b"1", b"2"]


def test_classes_by_name_and_a_sum():
    names = ["no", "maybe", "yes"]
    head = tke.MultiClassHead(3, label_vocabulary=names, loss_reduction="sum")
    loss = head.loss(np.array(names)[CLASSES], LOGITS)
    assert float(loss) == pytest.approx(_softmax_losses(CLASSES).sum(), rel=1e-5)
    assert head.predictions(LOGITS)["classes"].numpy()[3].tolist() == [b"yes"]


def test_one_of_two_classes():
    head = tke.BinaryClassHead(thresholds=[0.2])
    losses = _sigmoid_losses(BITS, ONE[:, 0])
    assert float(head.loss(BITS, ONE, FEATURES)) == pytest.approx(losses.mean(), rel=1e-5)
    metrics = _metrics(head, BITS, ONE)
    probabilities = 1 / (1 + np.exp(-ONE[:, 0]))
    assert metrics["prediction/mean"] == pytest.approx(probabilities.mean(), rel=1e-5)
    assert metrics["label/mean"] == metrics["accuracy_baseline"] == 0.5
    # A logit of 0 is class 0: the first of equals.
    assert (metrics["accuracy"], metrics["precision"], metrics["recall"]) == (0.5, 0.5, 0.5)
    assert metrics["recall/positive_threshold_0.2"] == 1.0
    assert metrics["precision/positive_threshold_0.2"] == 0.5
    assert metrics["auc"] == pytest.approx(0.75, abs=0.02)


def test_the_accuracy_of_the_commoner_class():
    head = tke.BinaryClassHead(weight_column="w")
    metrics = _metrics(head, np.array([1, 0, 0, 0]), ONE)
    assert metrics["label/mean"] == pytest.approx(1 / 3.5)
    assert metrics["accuracy_baseline"] == pytest.approx(2.5 / 3.5)


def test_any_number_of_classes():
    truth = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])
    head = tke.MultiLabelHead(3, weight_column="w", classes_for_class_based_metrics=[1])
    losses = _sigmoid_losses(truth, LOGITS).mean(1) * WEIGHTS
    assert float(head.loss(truth, LOGITS, FEATURES)) == pytest.approx(losses.mean(), rel=1e-5)
    metrics = _metrics(head, truth, LOGITS)
    share = (1 / (1 + np.exp(-LOGITS[:, 1])) * WEIGHTS).sum() / WEIGHTS.sum()
    assert metrics["probability_mean/class1"] == pytest.approx(share, rel=1e-5)
    assert {"auc/class1", "auc_precision_recall/class1", "auc"} <= set(metrics)
    rows, columns = np.nonzero(truth)
    sparse = tf.SparseTensor(np.stack([rows, columns], 1), columns, [4, 3])
    assert float(head.loss(sparse, LOGITS, FEATURES)) == pytest.approx(losses.mean(), rel=1e-5)


def test_numbers_counts_and_shares():
    counts = np.array([0.0, 1.0, 4.0, 2.0], np.float32)
    square = (ONE[:, 0] - counts) ** 2
    assert float(tke.RegressionHead().loss(counts, ONE)) == pytest.approx(square.mean(), rel=1e-5)
    weighted = tke.RegressionHead(weight_column="w", loss_reduction="sum").loss(counts, ONE, FEATURES)
    assert float(weighted) == pytest.approx((square * WEIGHTS).sum(), rel=1e-5)
    poisson = tke.PoissonRegressionHead(compute_full_loss=False)
    assert float(poisson.loss(counts, ONE)) == pytest.approx(
        (np.exp(ONE[:, 0]) - counts * ONE[:, 0]).mean(), rel=1e-5
    )
    assert poisson.predictions(ONE)["predictions"].numpy()[0, 0] == pytest.approx(math.exp(2), rel=1e-5)
    shares = np.array([0.0, 0.3, 1.0, 0.7], np.float32)
    logistic = tke.LogisticRegressionHead().loss(shares, ONE)
    assert float(logistic) == pytest.approx(_sigmoid_losses(shares, ONE[:, 0]).mean(), rel=1e-5)


def _model_fn(make, rate=0.1):
    def model_fn(features, labels, mode):
        head = make()
        weights = v1.get_variable("weights", [3, head.logits_dimension], initializer=v1.zeros_initializer())
        sgd = v1.train.GradientDescentOptimizer(rate)
        return head.create_estimator_spec(
            features,
            mode,
            tf.matmul(features["x"], weights),
            labels,
            train_op_fn=lambda loss: sgd.minimize(loss, v1.train.get_global_step()),
        )

    return model_fn


def _three():
    heads = [tke.MultiClassHead(3, name="a"), tke.BinaryClassHead(name="b"), tke.RegressionHead(name="c")]
    return tke.MultiHead(heads, [1.0, 0.5, 2.0])


def _data():
    labels = {"a": CLASSES, "b": BITS, "c": ONE[:, 0] * 2}
    return tf.data.Dataset.from_tensor_slices((FEATURES, labels)).batch(3)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """An Estimator with three heads, trained for 60 rounds."""
    folder = tmp_path_factory.mktemp("several")
    estimator = tke.Estimator(_model_fn(_three, 0.02), str(folder), tke.RunConfig(tf_random_seed=1))
    before = estimator.train(_data).evaluate(_data)
    estimator.train(lambda: _data().repeat(60))
    return estimator, before


def test_several_heads_learn_together(several):
    estimator, before = several
    results = estimator.evaluate(_data)
    for key in ("loss", "loss/a", "loss/b", "loss/c"):
        assert results[key] < before[key], key
    total = results["loss/a"] + 0.5 * results["loss/b"] + 2 * results["loss/c"]
    assert results["loss"] == pytest.approx(total, rel=1e-4)
    assert results["accuracy/a"] >= 0.5
    predictions = list(estimator.predict(_data))
    assert len(predictions) == 4
    assert predictions[0]["a", "class_ids"].tolist() == [0]
    assert predictions[0]["c", "predictions"][0] == pytest.approx(4.0, abs=0.5)


def test_several_heads_are_served_by_name(several, tmp_path):
    estimator, _ = several
    receiver = tke.build_parsing_serving_input_receiver_fn({"x": tf.io.FixedLenFeature([3], tf.float32)})
    saved = estimator.export_saved_model(tmp_path, receiver)
    signatures = tf.saved_model.load(saved.decode()).signatures
    expected = {"serving_default", "predict", "a", "b", "c", "a/classification", "b/regression", "c/predict"}
    assert expected <= set(signatures)
    example = tf.train.Example()
    example.features.feature["x"].float_list.value.extend(LOGITS[0])
    given = tf.constant([example.SerializeToString()])
    answer = signatures["predict"](examples=given)
    assert answer["c/predictions"].numpy()[0, 0] == pytest.approx(4.0, abs=0.5)
    scores = signatures["serving_default"](inputs=given)["scores"].numpy()
    assert scores.shape == (1, 3)
    np.testing.assert_allclose(scores, answer["a/probabilities"], rtol=1e-6)


def test_the_summary_of_the_loss_is_written_once(several):
    from transferkit.estimator.summaries import flush_now

    estimator, _ = several
    flush_now(estimator.model_dir)
    tags = [
        (event.step, value.tag)
        for path in tf.io.gfile.glob(f"{estimator.model_dir}/events*")
        for event in v1.train.summary_iterator(path)
        for value in event.summary.value
    ]
    assert tags.count((1, "loss")) == tags.count((1, "loss/a")) == 1


def test_a_keras_optimizer_trains_what_it_is_given(tmp_path):
    def model_fn(features, labels, mode):
        head = tke.RegressionHead()
        weights = v1.get_variable("weights", [3, 1], initializer=v1.zeros_initializer())
        frozen = v1.get_variable("frozen", [1], initializer=v1.zeros_initializer())
        optimizer = tf.keras.optimizers.SGD(0.1)
        optimizer.iterations = v1.train.get_or_create_global_step()
        count = v1.get_variable("count", [], initializer=v1.zeros_initializer(), trainable=False)
        return head.create_estimator_spec(
            features,
            mode,
            tf.matmul(features["x"], weights) + frozen,
            labels,
            optimizer=optimizer,
            trainable_variables=[weights],
            update_ops=[count.assign_add(1.0)],
            regularization_losses=[0.5 * tf.reduce_sum(weights**2)],
        )

    estimator = tke.Estimator(model_fn, str(tmp_path))
    labels = ONE[:, 0]
    estimator.train(lambda: tf.data.Dataset.from_tensor_slices((FEATURES, labels)).batch(4).repeat(3))
    expected = np.zeros([3, 1])
    for _ in range(3):
        error = LOGITS @ expected - ONE
        expected -= 0.1 * (2 * LOGITS.T @ error / 4 + expected)
    np.testing.assert_allclose(estimator.get_variable_value("weights"), expected, rtol=1e-5)
    assert estimator.get_variable_value("frozen").tolist() == [0.0]
    assert estimator.get_variable_value("count") == estimator.get_variable_value("global_step") == 3


def test_an_optimizer_that_says_its_own_step_takes_it(tmp_path):
    class ByHand(tf.keras.optimizers.SGD):
        def get_updates(self, loss, params):
            (gradient,) = tf.gradients(loss, params)
            return [params[0].assign_sub(0.5 * gradient)]

    def model_fn(features, labels, mode):
        weights = v1.get_variable("weights", [3, 1], initializer=v1.zeros_initializer())
        given = {"optimizer": ByHand(0.1), "trainable_variables": [weights]}
        logits = tf.matmul(features["x"], weights)
        return tke.RegressionHead().create_estimator_spec(features, mode, logits, labels, **given)

    estimator = tke.Estimator(model_fn, str(tmp_path))
    estimator.train(lambda: tf.data.Dataset.from_tensor_slices((FEATURES, ONE[:, 0])).batch(4), steps=1)
    expected = LOGITS.T @ ONE / 4
    np.testing.assert_allclose(estimator.get_variable_value("weights"), expected, rtol=1e-5)


def test_a_head_of_ones_own_needs_the_members_alone(tmp_path):
    class Distance(tke.Head):
        """The absolute difference of one number."""

        name = "distance"
        logits_dimension = 1
        loss_reduction = "sum_over_batch_size"

        def loss(self, labels, logits, features=None, mode=None, regularization_losses=None):
            return tf.reduce_mean(tf.abs(logits[:, 0] - labels))

        def predictions(self, logits, keys=None):
            return {"value": logits[:, 0]}

        def metrics(self, regularization_losses=None):
            return {"mae": tf.keras.metrics.Mean()}

        def update_metrics(
            self, eval_metrics, features, logits, labels, mode=None, regularization_losses=None
        ):
            eval_metrics["mae"].update_state(tf.abs(logits[:, 0] - labels))
            return eval_metrics

    estimator = tke.Estimator(_model_fn(Distance), str(tmp_path))

    def data():
        return tf.data.Dataset.from_tensor_slices((FEATURES, ONE[:, 0])).batch(4)

    assert estimator.train(data).evaluate(data)["mae"] < np.abs(ONE).mean()
    with pytest.raises(TypeError, match="abstract"):
        tke.Head()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tke.MultiClassHead(2), r"MultiClassHead.n_classes: received 2, expected a number above 2"),
        (lambda: tke.MultiClassHead(3, loss_reduction="none"), "loss_reduction: received 'none'"),
        (lambda: tke.MultiClassHead(3, label_vocabulary=["a"]), "received '1 items'"),
        (lambda: tke.BinaryClassHead(thresholds=[0.5, 1.0]), r"thresholds: received \[1.0\]"),
        (lambda: tke.MultiLabelHead(3, classes_for_class_based_metrics=["a"]), "names in label_vocabulary"),
        (lambda: tke.RegressionHead(0), "label_dimension: received 0"),
        (lambda: tke.RegressionHead(loss_fn=lambda labels: labels), "arguments labels and logits"),
        (lambda: tke.MultiHead([tke.RegressionHead()]), "heads that have a name"),
    ],
)
def test_what_makes_no_head(make, said):
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.parametrize(
    ("labels", "logits", "said"),
    [
        (None, LOGITS, "check that input_fn returns labels"),
        (LOGITS.astype(int), LOGITS, "are the labels one-hot"),
        (CLASSES + 1, LOGITS, "values from 0 to 2"),
        (ONE[:, 0], LOGITS, "received 'float32', expected integers"),
        (CLASSES, ONE, "logits_dimension = 3"),
    ],
)
def test_what_does_not_fit_a_head(labels, logits, said):
    with pytest.raises(ValueError, match=said):
        tke.MultiClassHead(3).loss(labels, logits, FEATURES)


def test_labels_that_do_not_fit_end_training(tmp_path):
    estimator = tke.Estimator(_model_fn(lambda: tke.MultiClassHead(3)), str(tmp_path))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Labels must be <= n_classes - 1"):
        estimator.train(lambda: tf.data.Dataset.from_tensor_slices((FEATURES, CLASSES + 1)).batch(2))
