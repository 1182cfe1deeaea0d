"""Larger images: one key for every backbone, ``backbone.input_size``; what cannot take them says so."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.backbones import load_backbone
from transferkit.errors import UserError
from transferkit.recipe import load


@pytest.mark.parametrize("text", ["320", "[320, 320]"])
def test_the_short_form_is_a_square(text):
    assert load(overrides=[f"backbone.input_size={text}"]).backbone.input_size == (320, 320)


@pytest.mark.parametrize(
    "key",
    [
        "data.size",
        "data.image_size",
        "backbone.size",
        "input_size",
        "backbone.options.size",
        "backbone.options.input_shape",
        "backbone.options.image_size",
    ],
)
def test_other_keys_lead_to_it(key):
    with pytest.raises(UserError) as refused:
        load(overrides=[f"{key}=320"])
    (line,) = refused.value.faults
    assert "say backbone.input_size = 320" in line


@pytest.mark.parametrize("text", ["0", "-3", "100000", "[320]", "[320,320,3]", "320.5", "'320'"])
def test_what_is_no_size(text):
    with pytest.raises(UserError, match=r"backbone\.input_size"):
        load(overrides=[f"backbone.input_size={text}"])


@pytest.mark.parametrize(("name", "weights"), [("embedded", "imagenet"), ("mobilenet_0_25", "random")])
def test_networks_with_a_card_take_other_sizes(name, weights):
    usual = load_backbone(name, weights)
    larger = load_backbone(name, weights, (192, 160))
    assert larger.input_size == (192, 160)
    assert larger.feature_width == usual.feature_width
    features = np.asarray(larger.cut(None).prefix(np.full((1, 192, 160, 3), 99, np.uint8)))
    assert features.shape == (1, usual.feature_width)
    with pytest.raises(UserError, match=rf"at least \[32, 32\] \(height, width\) for {name}"):
        load_backbone(name, weights, (16, 16))


def keras_file(folder, size, fixed):
    import keras

    images = keras.Input((*size, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(4, 3, name="conv")(x)
    x = keras.layers.Flatten()(x) if fixed else keras.layers.GlobalAveragePooling2D()(x)
    keras.Model(images, keras.layers.Dense(5, name="features")(x)).save(folder / "model.keras")
    return f"keras_file:{folder / 'model.keras'}"


def test_a_file_whose_layers_take_any_size(tmp_path):
    reference = keras_file(tmp_path, (32, 32), fixed=False)
    assert load_backbone(reference).input_size == (32, 32)
    assert load_backbone(reference, input_size=(64, 48)).input_size == (64, 48)


def test_a_file_whose_layers_take_one_size_only(tmp_path):
    reference = keras_file(tmp_path, (32, 32), fixed=True)
    with pytest.raises(UserError) as refused:
        load_backbone(reference, input_size=(64, 64))
    (line,) = refused.value.faults
    assert line.startswith("backbone.input_size: received [64, 64]")
    assert "the model does not take 64 x 64 pixels" in line


@pytest.mark.parametrize(("spec", "taken"), [((None, None, None, 3), True), ((None, 32, 32, 3), False)])
def test_savedmodels_by_their_signature(tmp_path, spec, taken):
    import tensorflow as tf

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec(spec, tf.float32)])
        def __call__(self, images):
            return tf.reduce_mean(images, [1, 2])

    tf.saved_model.save(Module(), str(tmp_path))
    reference = f"saved_model:{tmp_path}"
    assert load_backbone(reference, normalisation="unit", input_size=(32, 32)).input_size == (32, 32)
    if taken:
        assert load_backbone(reference, normalisation="unit", input_size=(64, 48)).input_size == (64, 48)
        return
    with pytest.raises(UserError, match=r"backbone\.input_size"):
        load_backbone(reference, normalisation="unit", input_size=(64, 48))
