"""Grad-CAM against what it must give on networks whose reasons are known."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.report.grad_cam import heat_of


def maps_of(images):
    """Three feature maps: the three colours in cells of 4 × 4 pixels."""
    return tf.nn.avg_pool2d(tf.cast(images, tf.float32), 4, 4, "VALID")


def logits_of(maps):
    """Class 0 is red less green, class 1 is blue."""
    weights = tf.constant([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    return tf.reduce_mean(maps, axis=(1, 2)) @ weights


@pytest.fixture
def images():
    """Red at the top left, green at the top right, blue at the bottom left."""
    image = np.zeros((1, 16, 16, 3), np.uint8)
    image[0, :8, :8, 0] = 200
    image[0, :8, 8:, 1] = 200
    image[0, 8:, :8, 2] = 100
    return image


def test_heat_lies_where_the_reason_lies(images):
    red = heat_of(maps_of, logits_of)(images, np.array([0]))
    blue = heat_of(maps_of, logits_of)(images, np.array([1]))
    expected = np.zeros((4, 4))
    expected[:2, :2] = 1
    np.testing.assert_allclose(red[0], expected)
    np.testing.assert_allclose(blue[0], np.flipud(expected))


def test_each_image_has_its_own_class_and_scale(images):
    both = np.concatenate([images, images // 2])
    heat = heat_of(maps_of, logits_of)(both, np.array([0, 1]))
    assert heat.shape == (2, 4, 4)
    assert heat.dtype == np.float32
    assert heat[0, 0, 0] == heat[1, 3, 0] == 1
    assert heat[0, 3, 0] == heat[1, 0, 0] == 0


def test_nothing_speaks_for_the_class():
    heat = heat_of(maps_of, logits_of)(np.zeros((1, 16, 16, 3), np.uint8), np.array([0]))
    assert not heat.any()


def test_features_without_height_and_width_are_refused(images):
    with pytest.raises(ValueError, match="feature maps"):
        heat_of(lambda x: tf.reduce_mean(maps_of(x), axis=(1, 2)), logits_of)(images, np.array([0]))
