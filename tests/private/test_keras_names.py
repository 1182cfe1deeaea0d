"""Canaries: each private name of Keras still is what transferkit takes it for."""

from __future__ import annotations

import pytest
import tensorflow as tf

from transferkit.keras3 import keras
from transferkit.private import keras_names as private


@pytest.fixture(scope="module")
def model():
    x = keras.Input((4,), name="x")
    y = keras.layers.Dense(3, name="inner")(x)
    return keras.Model(x, keras.layers.Dropout(0.5, name="last")(y))


def test_state_of_keras_is_read_and_set():
    before = private.global_value("object_name_uids")
    try:
        private.set_global_value("object_name_uids", {"dense": 41})
        assert private.global_value("object_name_uids") == {"dense": 41}
    finally:
        private.set_global_value("object_name_uids", before)


def test_a_layer_is_named_after_its_class():
    name = keras.layers.GlobalAveragePooling2D().name
    assert name.startswith(private.snake_case("GlobalAveragePooling2D"))
    assert private.snake_case("GlobalAveragePooling2D") == "global_average_pooling2d"


def test_a_functional_model_has_a_graph(model):
    assert private.connected_by_graph(model)
    assert not private.connected_by_graph(keras.layers.Dense(1))
    assert {node.operation.name for node in private.nodes_of(model)} == {"x", "inner", "last"}


def test_a_functional_model_is_run_operation_by_operation(model):
    seen = []

    def through(operation):
        seen.append(operation.name)
        return operation

    out = private.run_through(model, tf.zeros([2, 4]), through)
    assert tuple(out.shape) == (2, 3)
    assert seen == ["inner", "last"]


def test_layers_tell_their_mode_their_variables_and_what_is_inside(model):
    assert private.takes_training(keras.layers.Dropout(0.1))
    assert not private.takes_training(keras.layers.ReLU())
    norm = keras.layers.BatchNormalization()
    norm.build((None, 3))
    assert len(private.variables_held(norm)) == 4
    assert [one.name for one in private.with_inner_layers(model)][1:] == ["x", "inner", "last"]


def test_a_model_tells_its_metrics_and_inputs(model):
    assert private.compiled_metrics(model) is None
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    other.compile("sgd", "mse", metrics=["mae"])
    assert private.compiled_metrics(other) is not None
    named = keras.Model({"a": (a := keras.Input((2,), name="a"))}, a * 2)
    assert list(private.inputs_structure(named)) == ["a"]


def test_an_optimizer_tells_its_count_and_rate():
    optimizer = keras.optimizers.Adam(0.25, gradient_accumulation_steps=2)
    variable = keras.Variable([1.0])
    optimizer.build([variable])
    for _ in range(3):
        optimizer.apply([tf.constant([1.0])])
    assert int(private.updates_given(optimizer)) == 3
    assert float(private.rate_of(optimizer)) == 0.25
    assert private.updates_given(object()) is None
    assert private.variable_updated(optimizer, variable) is variable


def test_nadam_alone_has_a_state_of_no_variable():
    made = {}
    for kind in (keras.optimizers.Nadam, keras.optimizers.Adam):
        optimizer = kind()
        optimizer.build([keras.Variable([1.0])])
        made[kind.__name__] = private.has_shared_state(optimizer)
    assert made == {"Nadam": True, "Adam": False}


def test_what_compile_was_given():
    older = pytest.importorskip("tf_keras", reason="tf_keras is not installed")
    model = older.Sequential([older.Input([1]), older.layers.Dense(1)])

    def loss(labels, predictions):
        return predictions - labels

    model.compile("sgd", loss, metrics=["mae"], loss_weights=[0.5])
    assert private.older_compile_arguments(model) == {
        "loss": loss,
        "loss_weights": [0.5],
        "metrics": ["mae"],
        "weighted_metrics": None,
    }
