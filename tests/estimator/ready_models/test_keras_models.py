"""``model_to_estimator``: what Keras itself does with the same model is the measure."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import transferkit.estimator as tke

v1 = tf.compat.v1

X = np.random.default_rng(0).normal(size=(48, 4)).astype(np.float32)
Y = (X.sum(1) > 0).astype(np.int64)


def cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def batches(features=X, labels=Y):
    return tf.data.Dataset.from_tensor_slices((features, labels)).batch(16).repeat()


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense(8, "relu", kernel_regularizer="l2", name="hidden")
    layers = [keras.Input((4,)), dense, keras.layers.BatchNormalization(), keras.layers.Dense(2, name="out")]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.01), cross_entropy(), metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model


def test_a_compiled_model_trains_as_by_itself(model, tmp_path):
    before = model.get_weights()
    estimator = tke.model_to_estimator(model, model_dir=str(tmp_path / "model"))
    estimator.train(batches, steps=6)
    assert all(np.array_equal(one, two) for one, two in zip(before, model.get_weights(), strict=True))
    twin = keras.models.clone_model(model)
    twin.set_weights(before)
    twin.compile(keras.optimizers.Adam(0.01), cross_entropy(), metrics=["accuracy"])
    twin.fit(X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    expected = twin.evaluate(X, Y, batch_size=16, verbose=0, return_dict=True)
    found = estimator.evaluate(batches, steps=3)
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert found["accuracy"] == pytest.approx(expected["accuracy"])
    weights = dict(zip([v.path for v in twin.variables], twin.get_weights(), strict=True))
    name = next(name for name in weights if name.endswith("hidden/kernel"))
    saved = [one for one in estimator.get_variable_names() if one.endswith("/hidden/kernel")]
    np.testing.assert_allclose(estimator.get_variable_value(saved[0]), weights[name], rtol=1e-4)
    # A later Estimator of the same model goes on from the checkpoint.
    again = tke.model_to_estimator(model, model_dir=str(tmp_path / "model"))
    assert again.evaluate(batches, steps=3)["loss"] == pytest.approx(found["loss"])

    def receiver():
        x = v1.placeholder(tf.float32, [None, 4])
        return tke.export.ServingInputReceiver({"x": x}, {"x": x})

    served = tf.saved_model.load(estimator.export_saved_model(str(tmp_path / "export"), receiver))
    value = served.signatures["serving_default"](x=X[:2])["out"]
    np.testing.assert_allclose(value, twin(X[:2]), atol=1e-5)


def test_a_file_weights_of_examples_and_names_of_metrics(model, tmp_path):
    model.save(tmp_path / "m.keras")
    estimator = tke.model_to_estimator(
        keras_model_path=tmp_path / "m.keras",
        metric_names_map={"accuracy": "acc"},
        checkpoint_format="saver",
        export_outputs={"out": tke.export.PredictOutput},
    )
    plain = estimator.evaluate(batches, steps=3)
    assert plain["acc"] == pytest.approx(model.evaluate(X, Y, verbose=0)[1])
    features = {"features": X, "sample_weights": np.full(48, 3, np.float32)}
    weighed = estimator.evaluate(lambda: batches(features), steps=3)
    assert weighed["loss"] > plain["loss"] * 2


def test_several_inputs_and_outputs_by_name():
    one, two = keras.Input((4,), name="one"), keras.Input((4,), name="two")
    both = keras.layers.Concatenate()([one, two])
    outputs = [keras.layers.Dense(1, name="number")(both), keras.layers.Dense(2, name="kind")(both)]
    model = keras.Model([one, two], outputs)
    losses = {"number": "mse", "kind": cross_entropy()}
    model.compile("sgd", losses, metrics={"number": ["mae"], "kind": ["accuracy"]})
    features, labels = {"one": X, "two": X}, {"number": X[:, :1], "kind": Y}
    estimator = tke.model_to_estimator(model)
    found = estimator.evaluate(lambda: batches(features, labels), steps=3)
    expected = model.evaluate(
        tf.data.Dataset.from_tensor_slices((features, labels)).batch(16), verbose=0, return_dict=True
    )
    for name in ("loss", "number_mae", "kind_accuracy"):
        assert found[name] == pytest.approx(expected[name], rel=1e-5)
    row = next(estimator.predict(lambda: tf.data.Dataset.from_tensors(features)))
    assert {name: value.shape for name, value in row.items()} == {"number": (1,), "kind": (2,)}
    with pytest.raises(KeyError, match="two"):
        estimator.evaluate(lambda: batches({"one": X, "tow": X}, labels), steps=1)


def test_a_model_that_keras_trained_is_exported_at_once(model, tmp_path):
    def receiver():
        features = v1.placeholder(tf.float32, [None, 4])
        return tke.export.TensorServingInputReceiver(features, {"x": features})

    folder = tke.model_to_estimator(model).export_saved_model(str(tmp_path), receiver)
    answer = tf.saved_model.load(folder.decode()).signatures["serving_default"](x=tf.constant(X[:3]))
    np.testing.assert_allclose(answer["out"], model(X[:3], training=False), rtol=1e-5, atol=1e-6)


def test_without_compile_it_predicts_and_says_what_is_missing():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="out")])
    estimator = tke.model_to_estimator(model)
    row = next(estimator.predict(lambda: tf.data.Dataset.from_tensors(X)))
    np.testing.assert_allclose(row["out"], model(X[:1])[0], atol=1e-6)
    with pytest.raises(ValueError, match="not compiled"):
        estimator.train(batches, steps=1)


class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


def test_custom_objects(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2), Doubled()])
    model.compile("sgd", cross_entropy())
    model.save(tmp_path / "m.keras")
    path = str(tmp_path / "m.keras")
    estimator = tke.model_to_estimator(keras_model_path=path, custom_objects={"Doubled": Doubled})
    assert estimator.train(batches, steps=1).evaluate(batches, steps=1)["global_step"] == 1


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "give one of"),
        ({"keras_model": 1, "keras_model_path": "x"}, "give one of"),
        ({"keras_model": 1}, "Keras 3 model"),
        ({"keras_model": keras.Sequential([keras.layers.Dense(1)])}, "weights"),
        ({"keras_model": 1, "checkpoint_format": "h5"}, "checkpoint_format"),
    ],
)
def test_faults_are_named(given, text):
    with pytest.raises(ValueError, match=text):
        tke.model_to_estimator(**given)
