"""Models and optimizers of tf_keras in a program that sets TF_USE_LEGACY_KERAS: prints JSON."""

from __future__ import annotations

import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf

import transferkit.estimator as tke

X = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]
COLUMNS = [tf.feature_column.numeric_column("x")]


def data():
    return tf.data.Dataset.from_tensor_slices(({"x": X}, 2 * X)).repeat().batch(8)


def keras_model():
    """One input, a batch normalization, one output: one weight is all that counts."""
    inputs = tf.keras.Input([1], name="x")
    hidden = tf.keras.layers.BatchNormalization(momentum=0.5)(inputs)
    outputs = tf.keras.layers.Dense(1, kernel_initializer="ones", name="y")(hidden)
    model = tf.keras.Model(inputs, outputs)
    model.compile(tf.keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    return model


def of_a_model(folder):
    model = keras_model()
    alone = keras_model()
    alone.set_weights(model.get_weights())
    estimator = tke.model_to_estimator(model, model_dir=folder)
    estimator.train(data, steps=3)
    alone.fit(data(), steps_per_epoch=3, verbose=0)
    loss, mae = alone.evaluate(data(), steps=1, verbose=0)
    found = estimator.evaluate(data, steps=1)
    predicted = next(estimator.predict(lambda: {"x": X[:1]}))
    return {
        "loss": [loss, float(found["loss"])],
        "mae": [mae, float(found["mae"])],
        "step": int(found["global_step"]),
        "predicted": [float(predicted["y"][0]), float(alone.predict(X[:1], verbose=0)[0, 0])],
        "untouched": float(model.get_layer("y").kernel[0, 0]),
    }


def of_a_file(folder):
    path = folder + "-file.keras"
    keras_model().save(path)
    estimator = tke.model_to_estimator(keras_model_path=path, model_dir=folder + "-file")
    return float(estimator.train(data, steps=1).evaluate(data, steps=1)["loss"])


def of_optimizers(folder):
    """name -> the weight after two steps, by tf_keras's optimizers and by TensorFlow's own."""
    found = {}
    for name, optimizer in (
        ("older", tf.keras.optimizers.legacy.SGD(0.1)),
        ("new", lambda: tf.keras.optimizers.SGD(0.1)),
        ("own", tf.compat.v1.train.GradientDescentOptimizer(0.1)),
    ):
        model = tke.LinearRegressor(COLUMNS, f"{folder}-{name}", optimizer=optimizer).train(data, steps=2)
        step = int(model.get_variable_value("global_step"))
        found[name] = [step, float(model.get_variable_value("linear/linear_model/x/weights")[0, 0])]
    return found


def of_two_outputs(folder):
    """The accuracy and the loss of a model of two outputs, each trained alone and behind an Estimator."""
    labels = np.eye(2, dtype=np.float32)[(X[:, 0] > 0).astype(int)]

    def model():
        inputs = tf.keras.Input([1], name="x")
        named = tf.keras.layers.Dense(2, "softmax", kernel_initializer="zeros", name="class")(inputs)
        number = tf.keras.layers.Dense(1, kernel_initializer="zeros", name="number")(inputs)
        made = tf.keras.Model(inputs, [named, number])
        made.compile("sgd", ["categorical_crossentropy", "mse"], metrics={"class": "acc"})
        return made

    def both():
        pair = ({"x": X}, {"class": labels, "number": X})
        return tf.data.Dataset.from_tensor_slices(pair).repeat().batch(8)

    estimator = tke.model_to_estimator(model(), model_dir=folder + "-two").train(both, steps=2)
    found = estimator.evaluate(both, steps=1)
    alone = model()
    alone.fit(both(), steps_per_epoch=2, verbose=0)
    expected = alone.evaluate(both(), steps=1, verbose=0, return_dict=True)
    return [[float(found[name]), expected[name]] for name in ("class_acc", "loss")]


class ByHand(tf.keras.optimizers.legacy.SGD):
    """An optimizer whose own step is overridden."""

    def get_updates(self, loss, params):
        gradients = tf.gradients(loss, params)
        moved = [one.assign_sub(0.2 * g) for one, g in zip(params, gradients, strict=True)]
        return [tf.group(*moved, self.iterations.assign_add(1))]


def of_overridden_steps(folder):
    """The weight after two steps of rate 0.2; the names in the checkpoint of an optimizer with slots."""
    given = tke.LinearRegressor(COLUMNS, folder + "-hand", optimizer=ByHand(0.1)).train(data, steps=2)
    slots = tf.keras.optimizers.legacy.SGD(0.1, momentum=0.9)
    names = tke.LinearRegressor(COLUMNS, folder + "-slots", optimizer=slots).train(data, steps=1)
    first = [name for name in names.get_variable_names() if name.startswith("training/")]
    own = tf.compat.v1.train.GradientDescentOptimizer(0.2)
    plain = tke.LinearRegressor(COLUMNS, folder + "-plain", optimizer=own).train(data, steps=2)
    weight = "linear/linear_model/x/weights"
    return [float(one.get_variable_value(weight)[0, 0]) for one in (given, plain)], first


class Coded(tf.keras.Model):
    """A model of code alone, built by its first call."""

    def __init__(self):
        super().__init__()
        self.dense = tf.keras.layers.Dense(1, kernel_initializer="ones")

    def call(self, inputs):
        return self.dense(inputs)


def of_code(folder):
    """Compiled with an optimizer of TensorFlow 1; its inputs and outputs are called by number."""
    model = Coded()
    model.compile(tf.compat.v1.train.GradientDescentOptimizer(0.1), "mse")

    def numbered():
        return data().map(lambda x, y: ({"input_1": x["x"]}, {"output_1": y}))

    estimator = tke.model_to_estimator(model, model_dir=folder + "-code").train(numbered, steps=2)
    loss = float(estimator.evaluate(numbered, steps=1)["loss"])
    return loss, list(next(estimator.predict(lambda: numbered().map(lambda x, y: x))))


if __name__ == "__main__":
    where = sys.argv[1]
    parts = (of_a_model, of_a_file, of_optimizers, of_code, of_overridden_steps, of_two_outputs)
    print(json.dumps([part(where) for part in parts]))
