"""Every shipped card against the model it describes: one suite, each card covered by being there.

The default run takes the smallest member of each family, ``-m slow`` takes all. Weights are random, images
have the card's minimum size.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from transferkit.backbones import Backbone, load_backbone
from transferkit.card import Card, list_cards
from transferkit.resources import shipped

CARDS = [card for card in list_cards() if card.path.resolve().parent == shipped("cards")]

KERAS_APPLICATIONS = "keras.applications."


def smallest_of_each_family() -> set[str]:
    found: dict[str, Card] = {}
    for card in CARDS:
        held = found.get(card.family)
        if held is None or card.parameters < held.parameters:
            found[card.family] = card
    return {card.name for card in found.values()}


SMALL = smallest_of_each_family()
# Writing out some hundreds of layers takes long; for these the default run leaves it to the slow one.
LONG_EXPORTS = {
    "densenet121",
    "efficientnet_v2_b0",
    "inception_resnet_v2",
    "inception_v3",
    "nasnet_mobile",
}
PARAMS = [
    pytest.param(card, id=card.name, marks=() if card.name in SMALL else pytest.mark.slow) for card in CARDS
]


def keras_constructors() -> dict[str, Any]:
    import keras

    return dict(inspect.getmembers(keras.applications, inspect.isfunction))


def test_every_network_of_keras_applications_has_a_card() -> None:
    constructors = {
        name.removeprefix(KERAS_APPLICATIONS)
        for card in CARDS
        if (name := str(card.constructor)).startswith(KERAS_APPLICATIONS)
    }
    # A Keras newer than the cards may bring more; it must not lack any.
    assert constructors <= set(keras_constructors())
    assert len(constructors) >= 40
    assert len(SMALL) >= 16


@pytest.fixture(scope="module", params=PARAMS)
def card(request: pytest.FixtureRequest) -> Card:
    return request.param


@pytest.fixture(scope="module")
def backbone(card: Card) -> Iterator[Backbone]:
    import keras

    yield load_backbone(card.name, weights="random", input_size=card.minimum)
    keras.backend.clear_session()


@pytest.fixture(scope="module")
def images(card: Card) -> np.ndarray:
    assert card.minimum is not None
    return np.random.default_rng(0).integers(0, 256, (2, *card.minimum, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def features(backbone: Backbone, images: np.ndarray) -> np.ndarray:
    return np.asarray(backbone.features(images))


def test_facts(card: Card, backbone: Backbone) -> None:
    assert backbone.feature_width == card.feature_width
    assert sum(layer.parameters for layer in backbone.layers) == card.parameters
    assert sum(variable.shape.num_elements() for variable in backbone.variables) == card.parameters
    assert [stage.name for stage in backbone.stages] == list(card.stages)
    assert len(card.stages) >= 2
    assert card.licence
    assert card.weights is not None
    assert card.weights.source
    assert card.weights.licence


def test_default_size_and_cost(card: Card) -> None:
    backbone = load_backbone(card.name, weights="random")
    assert backbone.input_size == card.size
    counted = sum(layer.gflops or 0.0 for layer in backbone.layers)
    assert counted == pytest.approx(card.gflops, rel=1e-3)


def test_minimum_size_is_the_least(card: Card) -> None:
    from transferkit.errors import UserError

    assert card.minimum is not None
    with pytest.raises(UserError, match="at least"):
        load_backbone(card.name, weights="random", input_size=(card.minimum[0] - 1, card.minimum[1]))


def test_preprocessing_is_that_of_keras(card: Card, backbone: Backbone, images: np.ndarray) -> None:
    import keras

    pixels = np.asarray(backbone.model.get_layer("pixels")(images))
    low, high = card.pixel_range
    if not str(card.constructor).startswith(KERAS_APPLICATIONS):
        # Our own networks take a straight line from the least to the greatest value.
        wanted = low + images.astype("float64") * ((high - low) / 255)
    else:
        home = getattr(keras.applications, card.family, None) or getattr(keras.applications, card.name)
        wanted = home.preprocess_input(images.astype("float32"))
    np.testing.assert_allclose(pixels, wanted, rtol=0, atol=1e-6)
    assert low - 1e-3 <= pixels.min()
    assert pixels.max() <= high + 1e-3
    if card.normalisation == "none":
        first = [f"{layer.kind} {layer.name}".lower() for layer in backbone.layers[2:4]]
        assert any("rescaling" in one or "normalization" in one for one in first), first


def test_features(card: Card, backbone: Backbone, images: np.ndarray, features: np.ndarray) -> None:
    assert features.shape == (2, card.feature_width)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert not np.array_equal(features[0], features[1])
    same = np.asarray(backbone.features(images.astype(np.float32)))
    np.testing.assert_array_equal(same, features)


def test_each_stage_is_a_cut(backbone: Backbone, images: np.ndarray, features: np.ndarray) -> None:
    for stage in backbone.stages:
        cut = backbone.cut(stage.name)
        cut_features = np.asarray(cut.prefix(images))
        assert cut_features.shape == (2, *cut.shape)
        assert cut_features.dtype == np.float32
        np.testing.assert_array_equal(np.asarray(cut.suffix(cut_features)), features, err_msg=stage.name)
    top = backbone.cut(None)
    np.testing.assert_array_equal(np.asarray(top.prefix(images)), features)
    assert top.shape == (backbone.feature_width,)


def test_export_and_reload(
    request: pytest.FixtureRequest,
    card: Card,
    backbone: Backbone,
    images: np.ndarray,
    features: np.ndarray,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if card.name in LONG_EXPORTS and "not slow" in str(request.config.getoption("-m")):
        pytest.skip("exports for long; runs with the slow tests")
    import tensorflow as tf

    spec = tf.TensorSpec([None, *backbone.input_size, 3], tf.uint8)
    module = tf.Module()
    module.run = tf.function(backbone.cut(None).prefix, input_signature=[spec])
    module.held = [variable.value for variable in backbone.variables]
    folder = str(tmp_path_factory.mktemp("export"))
    tf.saved_model.save(module, folder)
    # Without the optimizer of graphs, which fuses operations: deep networks of random weights blow the last
    # bit up until nothing is alike (a millionth on the pixels moves efficientnet_v2_l's features by 87 %).
    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        loaded = tf.saved_model.load(folder)
        again = loaded.run(tf.constant(images)).numpy()
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})
    np.testing.assert_array_equal(again, features)
