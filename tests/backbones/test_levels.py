"""Pooled outputs of several stages as features."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.backbones import load_backbone
from transferkit.backbones.levels import level_names, with_levels
from transferkit.errors import UserError
from transferkit.keras3 import keras


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("embedded", "random", (32, 32))


@pytest.fixture(scope="module")
def photos():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def output(backbone, photos, layer):
    return np.asarray(keras.Model(backbone.model.input, backbone.output_of(layer))(photos.astype("float32")))


def test_a_level_is_its_stages_map_pooled(backbone, photos):
    leveled = with_levels(backbone, ["stage3", "stage1", "top"], ("mean", "max", "std"))
    assert list(leveled.levels) == ["stage1", "stage3", "top"]
    features = np.asarray(leveled.features(photos))
    assert features.shape == (3, leveled.feature_width)
    width = leveled.levels["stage1"] // 3
    low = output(backbone, photos, "stage1_out")
    for number, wanted in enumerate([low.mean((1, 2)), low.max((1, 2)), low.std((1, 2))]):
        part = features[:, number * width : (number + 1) * width]
        np.testing.assert_allclose(part, wanted, atol=2e-3)
    top = features[:, -leveled.levels["top"] :]
    np.testing.assert_allclose(top, backbone.features(photos), atol=1e-6)


def test_one_kept_pass_serves_every_choice_of_levels(backbone, photos):
    one = with_levels(backbone, ["stage2", "top"]).cut()
    other = with_levels(backbone, ["stem", "stage3"]).cut()
    assert one.kept_as.fingerprint == other.kept_as.fingerprint
    assert one.fingerprint != other.fingerprint
    for cut in (one, other):
        kept = np.asarray(cut.kept_as.prefix(photos))
        np.testing.assert_allclose(kept[:, cut.columns], cut.prefix(photos), atol=1e-6)
    every = with_levels(backbone, level_names(backbone)).cut()
    assert every.kept_as is None
    assert every.fingerprint == one.kept_as.fingerprint


def test_other_pooling_is_another_pass(backbone):
    one = with_levels(backbone, ["stage2", "top"]).cut()
    other = with_levels(backbone, ["stage2", "top"], ("max",)).cut()
    assert one.kept_as.fingerprint != other.kept_as.fingerprint


def test_tokens_give_the_class_token_and_the_mean_of_the_others():
    from transferkit.backbones.levels import _pooled

    tokens = keras.Input((5, 4))
    values = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    with_class = keras.Model(tokens, _pooled(tokens, "block", ("mean",), 2))
    wanted = np.concatenate([values[:, 0], values[:, 2:].mean(axis=1)], axis=1)
    np.testing.assert_allclose(with_class(values), wanted, atol=1e-6)
    without = keras.Model(tokens, _pooled(tokens, "other", ("mean",), 0))
    np.testing.assert_allclose(without(values), values.mean(axis=1), atol=1e-6)


def test_what_is_no_level(backbone):
    with pytest.raises(UserError, match=r"head\.features.*did you mean 'stage2'"):
        with_levels(backbone, ["stage_2", "top"])
    with pytest.raises(UserError, match="freeze"):
        with_levels(backbone, ["stage2", "top"]).cut("stage2")


@pytest.fixture(scope="module")
def opaque(tmp_path_factory):
    """A module whose layers nobody sees."""
    import tensorflow as tf

    class Mean(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 32, 32, 3], tf.float32)])
        def __call__(self, images):
            return tf.reduce_mean(images, axis=[1, 2])

    folder = tmp_path_factory.mktemp("module")
    tf.saved_model.save(Mean(), str(folder))
    return f"saved_model:{folder}"


def test_without_visible_stages_auto_takes_the_last_features_and_others_refuse(opaque):
    from transferkit.recipe import load
    from transferkit.training.parts import open_parts

    settings = ["backbone.options.normalisation=unit", "backbone.input_size=32"]
    parts = open_parts(load("auto", settings, backbone=opaque), ("a", "b"))
    assert sum(parts.levels.values()) == 3
    for features in ("levels", "all", "['top']"):
        recipe = load("linear_probe", [*settings, f"head.features={features}"], backbone=opaque)
        with pytest.raises(UserError, match=r"head\.features.*shows no stages"):
            open_parts(recipe, ("a", "b"))
