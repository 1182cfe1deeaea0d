"""The flat model: names, seeds, cuts, and what stays still in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from transferkit.activations.engines.choose_engine import choose_engine
from transferkit.backbones import Cut, load_backbone
from transferkit.backbones.weights.digest import of_variables
from transferkit.errors import UserError


@pytest.fixture(scope="module")
def backbone() -> Any:
    return load_backbone("mobilenet_0_25", "random", (32, 32))


@pytest.fixture
def restless(tmp_path: Path) -> Any:
    """A network with batch normalisation and dropout in two stages."""
    layers = keras.layers
    parts = [keras.Input((8, 8, 3))]
    for name in ("low", "high"):
        parts += [
            layers.Conv2D(4, 3, name=f"{name}_conv", kernel_regularizer=keras.regularizers.L2(0.1)),
            layers.BatchNormalization(name=f"{name}_bn"),
            layers.Dropout(0.5, name=f"{name}_drop"),
        ]
    model = keras.Sequential([*parts, layers.GlobalAveragePooling2D(name="pool")])
    model.save(tmp_path / "restless.keras")
    return load_backbone(f"keras_file:{tmp_path / 'restless.keras'}", normalisation="tf")


def test_layer_names_do_not_depend_on_what_was_built_before() -> None:
    keras.layers.Dense(1)
    first = [layer.name for layer in load_backbone("mobilenet_v3_small", "random", (32, 32)).layers]
    keras.layers.Activation("relu")
    again = [layer.name for layer in load_backbone("mobilenet_v3_small", "random", (32, 32)).layers]
    assert first == again
    assert "activation" in first
    # What the user builds goes on counting where it was.
    assert keras.layers.Activation("relu").name != "activation"


def test_random_weights_come_from_the_seed(backbone: Any) -> None:
    keras.utils.set_random_seed(99)
    same = load_backbone("mobilenet_0_25", "random", (32, 32), seed=0)
    other = load_backbone("mobilenet_0_25", "random", (32, 32), seed=1)
    assert of_variables(same.variables) == of_variables(backbone.variables) == backbone.weights_sha256
    assert other.weights_sha256 != backbone.weights_sha256


def test_cut_at_a_layer_composes_exactly(backbone: Any, images: np.ndarray) -> None:
    cut = backbone.cut("conv_dw_7_bn")
    assert cut.at == "conv_dw_7_bn"
    assert cut.shape == (2, 2, 128)
    whole = np.asarray(backbone.features(images))
    np.testing.assert_array_equal(np.asarray(cut.suffix(cut.prefix(images))), whole)


def test_the_top_layer_is_the_same_as_no_cut(backbone: Any) -> None:
    top = backbone.cut(backbone.layers[-1].name)
    assert top.at is None
    assert top.suffix_variables == ()
    assert top.fingerprint == backbone.cut(None).fingerprint


def test_prefix_traces_for_raw_bytes(backbone: Any, images: np.ndarray) -> None:
    cut = backbone.cut("block_11")
    spec = tf.TensorSpec([None, 32, 32, 3], tf.uint8)
    traced = tf.function(cut.prefix).get_concrete_function(spec)
    np.testing.assert_allclose(traced(tf.constant(images)), cut.prefix(images), atol=1e-5)


def test_openvino_takes_the_prefix(images: np.ndarray) -> None:
    pytest.importorskip("openvino", reason="needs OpenVINO, which this platform lacks")
    # With trained weights: those of a random network give features too small to compare.
    cut = load_backbone("embedded", input_size=(32, 32)).cut(None)
    engine = choose_engine(cut, (32, 32), images, "openvino")
    wanted = np.asarray(cut.prefix(images))
    assert wanted.max() > 0.1
    np.testing.assert_allclose(engine(images), wanted, rtol=0.01, atol=0.01 * wanted.max())


def test_unknown_place_offers_near_names(backbone: Any) -> None:
    with pytest.raises(UserError, match="did you mean 'block_11'"):
        backbone.cut("blok_11")


def test_cut_inside_a_branch_names_the_nearest_points() -> None:
    branched = load_backbone("mobilenet_v2", "random", (32, 32))
    with pytest.raises(
        UserError, match=r"inside a branch.*'block_1_project_BN' below and 'block_2_add' above"
    ):
        branched.cut("block_2_depthwise")


def test_fingerprint_tells_weights_place_size_and_pixels_apart(backbone: Any) -> None:
    def one(**changes: Any) -> str:
        arguments = {"reference": "mobilenet_0_25", "weights": "random", "input_size": (32, 32), "seed": 0}
        at = changes.pop("at", "block_3")
        return load_backbone(**{**arguments, **changes}).cut(at).fingerprint

    same = backbone.cut("block_3").fingerprint
    assert len(same) == 64
    assert one() == same
    assert len({same, one(seed=1), one(at="block_4"), one(input_size=(64, 64))}) == 4
    # What lies above the cut does not count.
    changed = load_backbone("mobilenet_0_25", "random", (32, 32))
    changed.variables[-1].assign(changed.variables[-1] + 1.0)
    assert changed.cut("block_3").fingerprint == same
    changed.variables[0].assign(changed.variables[0] + 1e-3)
    assert changed.cut("block_3").fingerprint != same


def train(cut: Cut, batch: np.ndarray) -> None:
    """One step of gradient descent on everything that may move."""
    x = cut.prefix(batch)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(cut.suffix(x, training=True) ** 2)
    values = [variable.value for variable in cut.trainable_variables]
    for value, gradient in zip(values, tape.gradient(loss, values), strict=True):
        value.assign_sub(0.1 * gradient)


def moved(backbone: Any, cut: Cut, batch: np.ndarray) -> set[str]:
    before = {variable.path: np.asarray(variable).copy() for variable in backbone.variables}
    train(cut, batch)
    return {v.path for v in backbone.variables if not np.array_equal(before[v.path], np.asarray(v))}


def test_batch_norm_frozen_keeps_statistics_and_trains_scale(restless: Any, images: np.ndarray) -> None:
    cut = restless.cut("low_drop")
    assert moved(restless, cut, images[:, :8, :8]) == {
        "high_conv/kernel",
        "high_conv/bias",
        "high_bn/gamma",
        "high_bn/beta",
    }
    assert {variable.path for variable in cut.frozen_variables} >= {
        "low_bn/moving_mean",
        "high_bn/moving_mean",
        "low_conv/kernel",
    }


def test_batch_norm_train_moves_statistics_of_unfrozen_layers_alone(
    restless: Any, images: np.ndarray
) -> None:
    cut = restless.cut("pixels", frozen=["low_conv", "low_bn", "low_drop"], batch_norm="train")
    found = moved(restless, cut, images[:, :8, :8])
    assert {"high_bn/moving_mean", "high_bn/moving_variance", "high_conv/kernel"} <= found
    assert not {path for path in found if path.startswith("low_")}
    frozen = {variable.path for variable in cut.frozen_variables}
    assert not frozen & found
    assert {"low_bn/moving_mean", "low_conv/kernel"} <= frozen


def test_dropout_of_frozen_layers_is_off(restless: Any, images: np.ndarray) -> None:
    batch = images[:, :8, :8]
    names = [layer.name for layer in restless.layers]
    still = restless.cut("pixels", frozen=names)
    x = still.prefix(batch)
    np.testing.assert_array_equal(still.suffix(x, training=True), still.suffix(x, training=False))
    assert still.trainable_variables == ()
    live = restless.cut("pixels", frozen=[name for name in names if name != "high_drop"])
    assert not np.array_equal(live.suffix(x, training=True), live.suffix(x, training=False))


def test_a_later_cut_opens_what_an_earlier_one_froze(restless: Any, images: np.ndarray) -> None:
    assert restless.cut(None).trainable_variables == ()
    cut = restless.cut("pixels")
    assert moved(restless, cut, images[:, :8, :8]) >= {"low_conv/kernel", "high_conv/kernel"}
    assert [v.path for v in restless.cut("low_drop").trainable_variables] == [
        v.path for v in cut.trainable_variables if v.path.startswith("high_")
    ]


def test_penalties_of_what_trains(restless: Any) -> None:
    cut = restless.cut("low_drop")
    assert len(cut.regularisation_losses) == 1
    kernel = next(one for one in cut.trainable_variables if one.path == "high_conv/kernel")
    wanted = 0.1 * float(np.sum(np.asarray(kernel) ** 2))
    assert float(cut.regularisation_losses[0]()) == pytest.approx(wanted, rel=1e-5)


def test_pixel_layer_round_trips(images: np.ndarray) -> None:
    from transferkit.backbones.normalise_pixels import Pixels

    layer = Pixels("caffe")
    again = Pixels.from_config(layer.get_config())
    np.testing.assert_array_equal(layer(images), again(images))
    # uint8 must not wrap around on its way.
    assert float(np.min(layer(images))) < -50
