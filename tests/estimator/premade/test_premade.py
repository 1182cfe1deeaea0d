"""Pre-made Estimators learn, keep tf.estimator's names, resume, warm start and export."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

import transferkit.estimator as tke

columns = tf.feature_column
SEED = tke.RunConfig(tf_random_seed=3)


@pytest.fixture(scope="module")
def trained(deep, wide, people, tmp_path_factory):
    """A wide and deep classifier."""
    estimator = tke.DNNLinearCombinedClassifier(
        tmp_path_factory.mktemp("combined"),
        linear_feature_columns=wide,
        dnn_feature_columns=deep,
        dnn_hidden_units=[8],
        dnn_optimizer=lambda: keras.optimizers.Adam(0.05),
        linear_optimizer=v1.train.FtrlOptimizer(0.1),
        weight_column="weight",
        batch_norm=True,
        config=SEED,
    )
    return estimator.train(lambda: people().repeat(25))


def test_a_wide_and_deep_classifier_learns(trained, people):
    results = trained.evaluate(people)
    assert results["accuracy"] > 0.8 > results["accuracy_baseline"]
    assert results["loss"] < 0.4
    assert results["global_step"] == 75
    one = next(trained.predict(people))
    assert sorted(one) == sorted(
        ["logits", "logistic", "probabilities", "class_ids", "classes", "all_class_ids", "all_classes"]
    )


def test_variables_have_the_names_that_people_know(trained):
    shapes = {name: trained.get_variable_value(name).shape for name in trained.get_variable_names()}
    expected = {
        "dnn/input_from_feature_columns/input_layer/towns_embedding/embedding_weights": (5, 2),
        "dnn/hiddenlayer_0/kernel": (6, 8),
        "dnn/hiddenlayer_0/batchnorm_0/moving_variance": (8,),
        "dnn/logits/bias": (1,),
        "linear/linear_model/age_bucketized_X_job/weights": (24, 1),
        "linear/linear_model/bias_weights": (1,),
    }
    assert {name: shapes.get(name) for name in expected} == expected
    moved = trained.get_variable_value("dnn/hiddenlayer_0/batchnorm_0/moving_variance")
    assert not np.allclose(moved, 1.0)


def test_an_export_classifies_examples_that_it_parses(trained, deep, wide, tmp_path):
    spec = tke.classifier_parse_example_spec([*deep, *wide], "label", weight_column="weight")
    assert spec.pop("label").dtype == tf.int64
    assert spec.pop("weight").shape == (1,)
    receiver = tke.build_parsing_serving_input_receiver_fn(spec)
    saved = trained.export_saved_model(tmp_path, receiver)
    example = tf.train.Example()
    example.features.feature["age"].float_list.value.append(60.0)
    example.features.feature["job"].bytes_list.value.append(b"clerk")
    example.features.feature["towns"].int64_list.value.extend([1, 2])
    serve = tf.saved_model.load(saved.decode()).signatures["serving_default"]
    scores = serve(inputs=tf.constant([example.SerializeToString()]))["scores"].numpy()
    assert scores.shape == (1, 2)
    assert scores[0, 1] > 0.5


def test_a_warm_start_takes_the_deep_part(trained, deep, people, tmp_path):
    start = tke.WarmStartSettings(trained.model_dir, "dnn/(?!logits)")
    estimator = tke.DNNRegressor(
        [8], deep, tmp_path, optimizer="SGD", warm_start_from=start, batch_norm=True, config=SEED
    )
    estimator.train(people, max_steps=1)
    kernel = "dnn/hiddenlayer_0/kernel"
    taken, given = estimator.get_variable_value(kernel), trained.get_variable_value(kernel)
    assert 0 < np.abs(taken - given).max() < 0.05
    assert not np.allclose(
        estimator.get_variable_value("dnn/logits/kernel"),
        trained.get_variable_value("dnn/logits/kernel"),
        0.1,
    )


def test_training_in_turns_is_training_at_once(deep, people, tmp_path):
    def made(folder):
        return tke.DNNClassifier(
            [4], deep, tmp_path / folder, n_classes=3, optimizer="RMSProp", dropout=0.3, config=SEED
        )

    made("once").train(lambda: people().repeat(2))
    # The second one is another process's: it starts from the checkpoint.
    made("turns").train(people)
    made("turns").train(people)
    name = "dnn/hiddenlayer_0/kernel"
    once, turns = made("once").get_variable_value(name), made("turns").get_variable_value(name)
    np.testing.assert_allclose(once, turns, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "optimizer",
    ["Ftrl", None, keras.optimizers.SGD(0.1), lambda: v1.train.MomentumOptimizer(0.1, 0.9)],
    ids=["name", "none", "object", "function"],
)
def test_each_kind_of_optimizer_lowers_the_loss(optimizer, wide, people, tmp_path):
    estimator = tke.LinearClassifier(wide, tmp_path, optimizer=optimizer)
    estimator.train(lambda: people().repeat(3))
    results = estimator.evaluate(people)
    assert results["loss"] < np.log(2)
    assert results["global_step"] == 9


def test_a_baseline_learns_the_shares_and_the_mean(people, tmp_path):
    labels = np.concatenate([label for _, label in people().as_numpy_iterator()])
    shares = tke.BaselineClassifier(tmp_path / "shares", optimizer="Adam")
    shares.train(lambda: people().repeat(20))
    one = next(shares.predict(people))
    assert one["logistic"][0] == pytest.approx(labels.mean(), abs=0.05)
    mean = tke.BaselineRegressor(tmp_path / "mean", weight_column="weight", optimizer="SGD")
    mean.train(lambda: people().repeat(20))
    weights = np.concatenate([given["weight"] for given, _ in people().as_numpy_iterator()])
    average = (labels * weights).sum() / weights.sum()
    assert mean.get_variable_value("baseline/bias")[0] == pytest.approx(average, abs=0.05)


def test_any_head_goes_on_any_model(deep, wide, people, tmp_path):
    head = tke.MultiHead([tke.BinaryClassHead(name="a"), tke.PoissonRegressionHead(name="b")])

    def data():
        return people().map(lambda features, label: (features, {"a": label, "b": label}))

    made = [
        tke.DNNLinearCombinedEstimator(head, tmp_path / "wide", wide),
        tke.DNNEstimator(head, [4], deep, tmp_path / "deep"),
    ]
    for estimator in made:
        results = estimator.train(data).evaluate(data)
        assert {"accuracy/a", "average_loss/b"} <= set(results)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda deep, wide: tke.DNNClassifier([2], deep, n_classes=1), "n_classes: received 1"),
        (lambda deep, wide: tke.DNNRegressor([2], deep, label_dimension=0), "label_dimension: received 0"),
        (lambda deep, wide: tke.DNNLinearCombinedClassifier(), "give linear_feature_columns or"),
    ],
)
def test_what_makes_no_estimator(make, said, deep, wide):
    with pytest.raises(ValueError, match=said):
        make(deep, wide)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda deep, wide: tke.DNNClassifier([2], wide), "wrap it in embedding_column"),
        (lambda deep, wide: tke.DNNClassifier([2], deep, optimizer="Adagrid"), "did you mean 'Adagrad'"),
        (lambda deep, wide: tke.LinearClassifier(wide, optimizer=3), "a name, an optimizer, or a function"),
        (lambda deep, wide: tke.DNNLinearCombinedClassifier(dnn_feature_columns=deep), "dnn_hidden_units"),
    ],
)
def test_what_does_not_train(make, said, deep, wide, people, tmp_path):
    with pytest.raises(ValueError, match=said):
        make(deep, wide).train(people)


def test_features_have_names(wide):
    with pytest.raises(ValueError, match="a dictionary of tensors by name"):
        tke.LinearClassifier(wide).train(lambda: tf.data.Dataset.from_tensors(([[1.0]], [[1]])))


def test_what_is_gone_says_what_to_use():
    with pytest.raises(AttributeError, match="use TensorFlow Decision Forests or scikit-learn"):
        _ = tke.BoostedTreesClassifier
