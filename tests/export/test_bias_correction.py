"""Quantised models keep no error that is the same for every image."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from transferkit.export.formats._bias_correction import _added, correct_biases
from transferkit.export.formats._tflite_parts import Graph


class Network(tf.Module):
    """Layers of every kind, with weights of such different sizes that rounding loses the small ones."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        rng = np.random.default_rng(0)

        def weights(*shape):
            size = 10.0 ** rng.uniform(-2, 0, shape)
            return tf.constant(size * rng.choice([-1, 1], shape) / np.sqrt(np.prod(shape[:-1])), tf.float32)

        self.first, self.depthwise = weights(3, 3, 3, 16), weights(3, 3, 16, 2)
        self.point, self.last = weights(1, 1, 32 // groups, 16), weights(16, 64)

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


@pytest.fixture(scope="module")
def images():
    """Noise of many brightnesses, so that rounded answers tell their mean."""
    rng = np.random.default_rng(1)
    return (rng.integers(0, 256, (64, 16, 16, 3)) * rng.uniform(0.1, 1, (64, 1, 1, 3))).astype(np.uint8)


def shifts(models, wanted, images):
    """How far each model's outputs are off on average, over all of them (root of the mean square)."""
    return [np.sqrt(np.square((answers(one, images) - wanted).mean(0)).mean()) for one in models]


@pytest.mark.parametrize("groups", [1, 2])
def test_what_every_image_is_off_by_alike_is_taken_out(groups, images):
    network = Network(groups)
    original, quantised = convert(network), convert(network, images)
    corrected = correct_biases(quantised, original, images[:32])
    wanted = answers(original, images[32:])
    before, after = shifts([quantised, corrected], wanted, images[32:])
    assert len(corrected) == len(quantised)
    assert after < 0.5 * before
    # What is taken out is gone: a second time finds nothing that is worth the change.
    (again,) = shifts([correct_biases(corrected, original, images[:32])], wanted, images[32:])
    assert again < 0.5 * before


class Branches(Network):
    """Layers without a bias, of one width: their zeros are stored once."""

    @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.float32)], autograph=False)
    def answer(self, images):
        x = tf.nn.conv2d(images / 255.0, self.first, 2, "SAME")
        y = tf.nn.conv2d(x, self.again, 1, "SAME")
        x = tf.concat([x, y, tf.nn.conv2d(y, self.again, 1, "SAME")], -1)
        return tf.matmul(tf.reduce_mean(x, [1, 2]), self.wide) + 0.1

    def __init__(self):
        super().__init__(1)
        rng = np.random.default_rng(2)
        self.again = tf.constant(rng.normal(0.1, 0.2, (3, 3, 16, 16)) / 12, tf.float32)
        self.wide = tf.constant(rng.normal(size=(48, 64)), tf.float32)


def test_biases_that_are_stored_once_are_corrected_each_by_itself(images):
    network = Branches()
    original, quantised = convert(network), convert(network, images)
    graph = Graph(quantised)
    model = schema.Model.GetRootAs(quantised, 0).Subgraphs(0)
    inputs = [graph.operators[number].inputs for number in graph.weighted()]
    stored = {model.Tensors(one[2]).Buffer() for one in inputs[:3] if len(one) > 2 and one[2] >= 0}
    assert len(stored) < 3, "the converter no longer stores them once: this test proves nothing"
    corrected = correct_biases(quantised, original, images[:32])
    before, after = shifts([quantised, corrected], answers(original, images[32:]), images[32:])
    assert after < 0.75 * before


def test_a_shift_beyond_32_bits_stays_within_them():
    shift, scales = np.array([1.0, -1.0, 0.0, 0.26]), np.array([1e-12, 0.0, 0.0, 0.1])
    found = _added(np.array([5, 5, 5, 5], np.int32), shift, scales)
    assert found.tolist() == [2**31 - 1, -(2**31 - 1), 5, 8]


def test_models_of_other_layers_stay_as_they_are():
    images = np.zeros((8, 16, 16, 3), np.uint8)
    network = Network(1)
    quantised = convert(network, images)
    network.answer = tf.function(
        lambda images: images[:, 0, 0] * 2.0, [tf.TensorSpec([None, 16, 16, 3])], autograph=False
    )
    assert correct_biases(quantised, convert(network), images) == quantised
