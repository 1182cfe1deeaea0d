"""Grad-CAM through a real backbone and head: heat lies on the object, and fits the report."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from transferkit.backbones import load_backbone
from transferkit.evaluation import evaluate
from transferkit.report import worst_mistakes
from transferkit.runs.heat import heat_of_mistakes


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("embedded")


@pytest.fixture
def evaluation():
    probabilities = np.float32([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]])
    return evaluate([1, 1, 1, 0], probabilities, ["disc", "ring"])


@pytest.fixture
def paths(tmp_path):
    """A bright disc in the upper left on an even ground."""
    y, x = np.mgrid[0:128, 0:128]
    picture = np.full((128, 128, 3), 90, np.uint8)
    picture[(y - 36) ** 2 + (x - 36) ** 2 < 24**2] = (240, 200, 40)
    for i in range(4):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    return [tmp_path / f"{i}.png" for i in range(4)]


def network(backbone, picture):
    """A head that says class 0 the more, the more the features are those of the picture with its disc."""
    import tensorflow as tf

    seen = tf.convert_to_tensor(picture[None])
    features = backbone.features(seen) - backbone.features(tf.ones_like(seen) * 90)
    direction = tf.concat([tf.transpose(features), -tf.transpose(features)], axis=1)
    return SimpleNamespace(standardise=lambda x: x, layer=lambda x: x @ direction)


def test_heat_is_given_for_the_mistakes_and_lies_on_the_object(backbone, evaluation, paths):
    picture = np.asarray(Image.open(paths[0]).resize(backbone.input_size[::-1]))
    heat = heat_of_mistakes(backbone, network(backbone, picture), evaluation, paths)
    assert sorted(heat) == sorted(worst_mistakes(evaluation)) == [0, 2]
    for one in heat.values():
        assert one.ndim == 2
        assert 0 <= one.min() <= one.max() <= 1
        half = (one.shape[0] + 1) // 2, (one.shape[1] + 1) // 2
        assert one[: half[0], : half[1]].mean() > one[half[0] :, half[1] :].mean()


def test_no_mistakes_no_heat(backbone, paths):
    right = evaluate([0, 1], np.float32([[1, 0], [0, 1]]), ["disc", "ring"])
    assert heat_of_mistakes(backbone, None, right, paths[:2]) == {}


def test_a_backbone_without_maps_gives_none(evaluation, paths):
    opaque = SimpleNamespace(layers=(SimpleNamespace(name="all", cuttable=True, shape=(64,)),))
    assert heat_of_mistakes(opaque, None, evaluation, paths) == {}


def test_an_unreadable_image_is_left_out(backbone, evaluation, paths):
    picture = np.asarray(Image.open(paths[0]).resize(backbone.input_size[::-1]))
    paths[2].write_bytes(b"gone")
    heat = heat_of_mistakes(backbone, network(backbone, picture), evaluation, paths)
    assert sorted(heat) == [0]
