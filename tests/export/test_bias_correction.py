"""Quantised models keep no error that is the same for every image."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.export.formats._bias_correction import correct_biases


class Network(tf.Module):
    """Layers of every kind, with weights of such different sizes that rounding loses the small ones."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        rng = np.random.default_rng(0)

        def weights(*shape):
            size = 10.0 ** rng.uniform(-2, 0, shape)
            return tf.constant(size * rng.choice([-1, 1], shape) / np.sqrt(np.prod(shape[:-1])), tf.float32)

        self.first, self.depthwise = weights(3, 3, 3, 16), weights(3, 3, 16, 2)
        self.point, self.last = weights(1, 1, 32 // groups, 16), weights(16, 4)

    @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.float32)], autograph=False)
    def answer(self, images):
        x = tf.nn.relu(tf.nn.conv2d(images / 255.0, self.first, 1, "SAME") + 0.1)
        x = tf.nn.relu(tf.nn.depthwise_conv2d(x, self.depthwise, [1, 1, 1, 1], "SAME") + 0.1)
        x = tf.nn.relu(tf.nn.conv2d(x, self.point, 2, "SAME") + 0.1)
        return tf.matmul(tf.reduce_mean(x, [1, 2]), self.last) + 0.1


def convert(network, images=None):
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [network.answer.get_concrete_function()], network
    )
    if images is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None].astype(np.float32)] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return converter.convert()


def answers(model, images):
    interpreter = tf.lite.Interpreter(model_content=model)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    found = []
    for image in images:
        interpreter.set_tensor(source, image[None].astype(np.float32))
        interpreter.invoke()
        found.append(interpreter.get_tensor(target)[0])
    return np.stack(found)


@pytest.mark.parametrize("groups", [1, 2])
def test_what_every_image_is_off_by_alike_is_taken_out(groups):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (64, 16, 16, 3), dtype=np.uint8)
    network = Network(groups)
    original, quantised = convert(network), convert(network, images)
    corrected = correct_biases(quantised, original, images[:32])
    wanted = answers(original, images[32:])
    before, after = (
        np.abs((answers(one, images[32:]) - wanted).mean(0)).max() for one in (quantised, corrected)
    )
    assert len(corrected) == len(quantised)
    assert after < 0.5 * before
    # Twice is too much: what is taken out is gone.
    again = correct_biases(corrected, original, images[:32])
    assert np.abs((answers(again, images[32:]) - wanted).mean(0)).max() > after


def test_models_of_other_layers_stay_as_they_are():
    images = np.zeros((8, 16, 16, 3), np.uint8)
    network = Network(1)
    quantised = convert(network, images)
    network.answer = tf.function(
        lambda images: images[:, 0, 0] * 2.0, [tf.TensorSpec([None, 16, 16, 3])], autograph=False
    )
    assert correct_biases(quantised, convert(network), images) == quantised
