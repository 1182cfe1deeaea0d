"""Every shipped card against the model it describes: one suite, each card covered by being there.

The default run takes the smallest member of most families, ``-m slow`` takes all. Weights are random, images
have the card's minimum size.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from transferkit.backbones import Backbone, load_backbone
from transferkit.card import Card
from transferkit.find_card import list_cards
from transferkit.shipped_files import shipped

SHIPPED = [card for card in list_cards() if card.path.resolve().parent == shipped("cards")]
# Built here from their constructors; what a handle names has to be fetched.
CARDS = [card for card in SHIPPED if card.constructor is not None]
HANDLES = [card for card in SHIPPED if card.handle is not None]

KERAS_APPLICATIONS = "keras.applications."
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
# What each word makes of pixels, beside the library whose words they are.
BY_WORD: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tf": lambda x: x / 127.5 - 1,
    "unit": lambda x: x / 255,
    "lite": lambda x: (x - 127) / 128,
    "none": lambda x: x,
    "torch": lambda x: (x / 255 - MEAN) / DEVIATION,
    "caffe": lambda x: x[..., ::-1] - [103.939, 116.779, 123.68],
}


def smallest_of_each_family() -> set[str]:
    found: dict[str, Card] = {}
    for card in CARDS:
        held = found.get(card.family)
        if held is None or card.parameters < held.parameters:
            found[card.family] = card
    return {card.name for card in found.values()}


# Of some hundreds of layers: networks of the same kind stand for them in the default run.
HUGE = {"densenet121", "efficientnet_v2_b0", "inception_resnet_v2", "inception_v3", "nasnet_mobile"}
SMALL = smallest_of_each_family() - HUGE
PARAMS = [
    pytest.param(card, id=card.name, marks=() if card.name in SMALL else pytest.mark.slow) for card in CARDS
]


def keras_constructors() -> dict[str, Any]:
    import keras

    return dict(inspect.getmembers(keras.applications, inspect.isfunction))


def test_every_network_of_keras_applications_has_a_card() -> None:
    import keras

    constructors = {
        name.removeprefix(KERAS_APPLICATIONS)
        for card in CARDS
        if (name := str(card.constructor)).startswith(KERAS_APPLICATIONS)
    }
    # A Keras newer than the cards may bring more; it must not lack any.
    assert constructors <= set(keras_constructors())
    assert {"MobileNetV2", "ResNet50", "EfficientNetB0"} <= constructors
    if keras.__version__ == "3.15.1":
        assert constructors == set(keras_constructors())


def least(card: Card) -> tuple[int, int]:
    """The smallest images that a card says its network takes."""
    return card.minimum or card.size


@pytest.fixture(scope="module", params=PARAMS)
def card(request: pytest.FixtureRequest) -> Card:
    return request.param


@pytest.fixture(scope="module")
def backbone(card: Card) -> Iterator[Backbone]:
    import keras

    yield load_backbone(card.name, weights="random", input_size=least(card))
    keras.backend.clear_session()


@pytest.fixture(scope="module")
def images(card: Card) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, *least(card), 3), dtype=np.uint8)


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

    if card.minimum is None:
        pytest.skip("the card states no least size")
    with pytest.raises(UserError, match="at least"):
        load_backbone(card.name, weights="random", input_size=(card.minimum[0] - 1, card.minimum[1]))


def test_preprocessing_is_that_of_keras(card: Card, backbone: Backbone, images: np.ndarray) -> None:
    import keras

    pixels = np.asarray(backbone.model.get_layer("pixels")(images))
    low, high = card.pixel_range
    if not str(card.constructor).startswith(KERAS_APPLICATIONS):
        wanted = BY_WORD[card.normalisation](images.astype("float64"))
    else:
        home = getattr(keras.applications, card.family, None) or getattr(keras.applications, card.name)
        wanted = home.preprocess_input(images.astype("float32"))
    np.testing.assert_allclose(pixels, wanted, rtol=0, atol=1e-6)
    assert low - 1e-3 <= pixels.min()
    assert pixels.max() <= high + 1e-3
    if card.normalisation == "none" and str(card.constructor).startswith(KERAS_APPLICATIONS):
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
    card: Card,
    backbone: Backbone,
    images: np.ndarray,
    features: np.ndarray,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
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


@pytest.mark.extra
@pytest.mark.parametrize("card", HANDLES, ids=lambda card: card.name)
def test_a_card_of_a_preset_says_what_kerashub_says(card: Card) -> None:
    keras_hub = pytest.importorskip(
        "keras_hub", reason="needs KerasHub: pip install 'transferkit[keras-hub]'"
    )
    scheme, _, preset = str(card.handle).partition(":")
    if scheme != "keras_hub":
        pytest.skip(f"{scheme}: nobody lists what it names")
    known = keras_hub.models.Backbone.presets
    assert preset in known
    assert card.weights is not None
    assert card.weights.source == known[preset]["kaggle_handle"]
    assert card.weights.licence
    parameters = known[preset]["metadata"]["params"]
    (kind,) = [
        one
        for name in dir(keras_hub.models)
        if name.endswith("Backbone") and name != "Backbone"
        for one in [getattr(keras_hub.models, name)]
        if preset in one.presets and not any(preset in below.presets for below in one.__subclasses__())
    ]
    if kind.__name__ in ("CLIPBackbone", "MetaCLIP2Backbone", "SigLIPBackbone"):
        assert 0.2 * parameters < card.parameters < 0.7 * parameters, "the vision tower's alone"
    else:
        # Positions are fewer for smaller images, and some of KerasHub's figures are rounded.
        assert card.parameters == pytest.approx(parameters, rel=0.03)
    assert family_of_class(kind.__name__)


def family_of_class(name: str) -> bool:
    """Whether transferkit knows how the features of a class of KerasHub's are meant."""
    from transferkit.backbones.keras_hub.families import known_families

    return name.replace("Backbone", "VisionEncoder") in known_families() or name in known_families()
