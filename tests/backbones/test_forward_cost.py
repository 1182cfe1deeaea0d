"""The counted cost agrees with TensorFlow's profiler."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from transferkit.backbones.forward_cost import forward_operations


def profiled(model: keras.Model) -> int:
    spec = tf.TensorSpec([1, *model.input.shape[1:]], tf.float32)
    frozen = convert_variables_to_constants_v2(tf.function(model).get_concrete_function(spec))
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(frozen.graph, cmd="op", options=options).total_float_ops


def counted(model: keras.Model) -> int:
    return sum(forward_operations(layer, tuple(layer.output.shape[1:])) for layer in model.layers)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(8, 3, strides=2, use_bias=False),
        keras.layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False),
        keras.layers.SeparableConv2D(6, 3, padding="same", use_bias=False),
        keras.layers.Dense(5, use_bias=False),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers(layer: keras.layers.Layer) -> None:
    x = keras.Input((12, 10, 4))
    model = keras.Model(x, layer(x))
    assert counted(model) == profiled(model)


def test_models_inside_models_count() -> None:
    x = keras.Input((12, 10, 4))
    inner = keras.Sequential([keras.layers.Conv2D(3, 3), keras.layers.Conv2D(3, 3)])
    flat = keras.Model(x, inner(x))
    assert counted(flat) == pytest.approx(profiled(flat), rel=0.02)


def test_a_group_sees_its_own_channels_alone() -> None:
    # The profiler counts nothing here, so the reference is the convolution without groups.
    x = keras.Input((12, 10, 4))
    grouped = keras.Model(x, keras.layers.Conv2D(8, 3, groups=2)(x))
    whole = keras.Model(x, keras.layers.Conv2D(8, 3)(x))
    assert counted(grouped) * 2 == counted(whole)
