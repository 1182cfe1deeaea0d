"""Grad-CAM through a real backbone and head: heat lies on the object, and fits the report."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from transferkit.backbones import load_backbone
from transferkit.data.pixels.decoding import Decoding
from transferkit.evaluation import evaluate
from transferkit.report import doubtful_classes, worst_mistakes
from transferkit.runs.results.mistake_heatmaps import MistakeHeatmaps, mistake_heatmaps

DECODING = Decoding((128, 128))


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


def parts_of(backbone, picture):
    """A head that says class 0 the more, the more the features are those of the picture with its disc."""
    import tensorflow as tf

    seen = tf.convert_to_tensor(picture[None])
    features = backbone.features(seen) - backbone.features(tf.ones_like(seen) * 90)
    direction = tf.concat([tf.transpose(features), -tf.transpose(features)], axis=1)
    return SimpleNamespace(backbone=backbone, standardise=lambda x: x, layer=lambda x: x @ direction)


def test_heat_is_given_for_the_mistakes_and_lies_on_the_object(backbone, evaluation, paths):
    picture = np.asarray(Image.open(paths[0]).resize(backbone.input_size[::-1]))
    heat = mistake_heatmaps(parts_of(backbone, picture), evaluation, paths, DECODING).overlays
    assert sorted(heat) == sorted(worst_mistakes(evaluation)) == [0, 2]
    for one in heat.values():
        assert one.ndim == 2
        assert 0 <= one.min() <= one.max() <= 1
        half = (one.shape[0] + 1) // 2, (one.shape[1] + 1) // 2
        assert one[: half[0], : half[1]].mean() > one[half[0] :, half[1] :].mean()


def test_no_mistakes_no_heat(backbone, paths):
    right = evaluate([0, 1], np.float32([[1, 0], [0, 1]]), ["disc", "ring"])
    assert (
        mistake_heatmaps(SimpleNamespace(backbone=backbone), right, paths[:2], DECODING) == MistakeHeatmaps()
    )


def test_only_so_many_are_explained(backbone, evaluation, paths):
    picture = np.asarray(Image.open(paths[0]).resize(backbone.input_size[::-1]))
    heat = mistake_heatmaps(parts_of(backbone, picture), evaluation, paths, DECODING, most=1)
    assert list(heat.overlays) == worst_mistakes(evaluation)[:1]


def test_of_several_labels_the_one_that_is_furthest_off_is_explained(backbone, paths):
    """Both classes are there; only the first is missed, and its picture is what speaks for it."""
    given = np.float32([[0.2, 0.9], [0.9, 0.9]])
    several = evaluate(np.array([[True, True], [True, True]]), given, ["disc", "ring"])
    assert doubtful_classes(several, [0]).tolist() == [0]
    picture = np.asarray(Image.open(paths[0]).resize(backbone.input_size[::-1]))
    parts = parts_of(backbone, picture)
    heat = mistake_heatmaps(parts, several, paths[:2], DECODING).overlays
    single = evaluate([1], np.float32([[0.9, 0.1]]), ["disc", "ring"])
    np.testing.assert_array_equal(heat[0], mistake_heatmaps(parts, single, paths[:1], DECODING).overlays[0])


@pytest.mark.parametrize(
    "layers",
    [
        [("all", (64,), 9)],
        # A module from the Hub: only the images themselves have height and width, and nothing learned them.
        [("images", (64, 64, 3), 0), ("module", (64,), 9)],
        # Tokens of a vision transformer.
        [("patches", (49, 64), 9), ("top", (64,), 0)],
    ],
)
def test_a_backbone_without_maps_gives_none_and_says_so(evaluation, paths, layers):
    facts = [SimpleNamespace(name=n, cuttable=True, shape=s, parameters=p) for n, s, p in layers]
    backbone = SimpleNamespace(layers=facts, name="hub:thing")
    heat = mistake_heatmaps(SimpleNamespace(backbone=backbone), evaluation, paths, DECODING)
    assert heat.overlays == {}
    assert "hub:thing shows no feature maps" in heat.note


def test_an_unreadable_image_is_left_out(backbone, evaluation, paths):
    picture = np.asarray(Image.open(paths[0]).resize(backbone.input_size[::-1]))
    paths[2].write_bytes(b"gone")
    heat = mistake_heatmaps(parts_of(backbone, picture), evaluation, paths, DECODING).overlays
    assert sorted(heat) == [0]


def test_files_that_are_all_gone_are_said(backbone, evaluation, paths):
    for path in paths:
        path.unlink()
    heat = mistake_heatmaps(SimpleNamespace(backbone=backbone), evaluation, paths, DECODING)
    assert heat.overlays == {}
    assert "can be read" in heat.note
