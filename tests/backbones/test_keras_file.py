"""Whole models from files: laid open, without their top, in safe mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from transferkit.backbones import load_backbone
from transferkit.errors import UserError


def small(*parts: Any) -> Any:
    return keras.Sequential([keras.Input((16, 16, 3)), *parts])


def body() -> list[Any]:
    return [keras.layers.Conv2D(4, 3, name="conv"), keras.layers.GlobalAveragePooling2D(name="pool")]


@pytest.fixture(scope="module")
def folder(application: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network, saved in the ways in which users have it."""
    folder = tmp_path_factory.mktemp("files")
    application.save(folder / "plain.keras")
    application.save(folder / "plain.h5")
    layers = keras.layers
    nested = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Rescaling(1 / 127.5, -1.0),
            application,
            layers.Dropout(0.2),
            layers.Dense(5, activation="softmax", name="top"),
        ]
    )
    nested.save(folder / "nested.keras")
    return folder


@pytest.mark.parametrize("name", ["plain.keras", "plain.h5"])
def test_a_network_that_has_a_card_is_recognised(
    folder: Path, name: str, images: np.ndarray, wanted: np.ndarray
) -> None:
    backbone = load_backbone(f"keras_file:{folder / name}")
    assert backbone.name == "mobilenet_0_25"
    assert backbone.stages[0].name == "stem"
    np.testing.assert_array_equal(backbone.features(images), wanted)
    cut = backbone.cut("block_5")
    np.testing.assert_array_equal(cut.suffix(cut.prefix(images)), wanted)


def test_models_inside_are_laid_open_and_the_top_left_out(
    folder: Path, images: np.ndarray, wanted: np.ndarray
) -> None:
    backbone = load_backbone(f"keras_file:{folder / 'nested.keras'}")
    assert backbone.feature_width == 256
    assert "conv_pw_13_relu" in [layer.name for layer in backbone.layers]
    assert backbone.model.get_layer("pixels").normalisation == "none"
    np.testing.assert_allclose(backbone.features(images), wanted, rtol=1e-3, atol=1e-5)
    assert backbone.cut("block_5").shape == (4, 4, 64)


def test_another_size(folder: Path) -> None:
    backbone = load_backbone(f"keras_file:{folder / 'plain.keras'}", input_size=(64, 48))
    assert backbone.input_size == (64, 48)
    assert np.asarray(backbone.features(np.zeros((1, 64, 48, 3), np.uint8))).shape == (1, 256)


def test_pixels_are_never_guessed(tmp_path: Path) -> None:
    small(*body()).save(tmp_path / "own.keras")
    reference = f"keras_file:{tmp_path / 'own.keras'}"
    with pytest.raises(UserError, match="say what its pixels were in training"):
        load_backbone(reference)
    with pytest.raises(UserError, match="did you mean 'torch'"):
        load_backbone(reference, normalisation="torhc")
    image = np.full((1, 16, 16, 3), 255, np.uint8)
    unit = np.asarray(load_backbone(reference, normalisation="unit").features(image))
    raw = np.asarray(load_backbone(reference, normalisation="none").features(image))
    np.testing.assert_allclose(raw, 255 * unit, rtol=1e-4)


@pytest.mark.parametrize(
    "top",
    [
        [keras.layers.Dense(3, activation="softmax")],
        [keras.layers.Dropout(0.1), keras.layers.Dense(3), keras.layers.Softmax()],
        [keras.layers.Dense(1, activation="sigmoid")],
    ],
    ids=["softmax", "logits-then-softmax", "sigmoid"],
)
def test_tops_are_left_out(tmp_path: Path, top: list[Any]) -> None:
    small(*body(), *top).save(tmp_path / "own.keras")
    backbone = load_backbone(f"keras_file:{tmp_path / 'own.keras'}", normalisation="tf")
    assert backbone.feature_width == 4
    assert backbone.layers[-1].name == "pool"


def test_a_dense_layer_that_gives_features_stays(tmp_path: Path) -> None:
    small(*body(), keras.layers.Dense(7, activation="relu", name="embedding")).save(tmp_path / "own.keras")
    backbone = load_backbone(f"keras_file:{tmp_path / 'own.keras'}", normalisation="tf")
    assert backbone.feature_width == 7
    chosen = load_backbone(f"keras_file:{tmp_path / 'own.keras'}", normalisation="tf", features="conv")
    assert chosen.feature_width == 4
    with pytest.raises(UserError, match="did you mean 'embedding'"):
        load_backbone(f"keras_file:{tmp_path / 'own.keras'}", normalisation="tf", features="embeding")


def test_stages_of_an_unknown_network_end_where_the_map_shrinks(tmp_path: Path) -> None:
    layers = keras.layers
    small(
        layers.Conv2D(4, 3, padding="same", name="a"),
        layers.MaxPooling2D(name="half"),
        layers.Conv2D(4, 3, padding="same", name="b"),
        layers.MaxPooling2D(name="quarter"),
        layers.Conv2D(4, 3, padding="same", name="c"),
        layers.GlobalAveragePooling2D(name="pool"),
    ).save(tmp_path / "own.keras")
    backbone = load_backbone(f"keras_file:{tmp_path / 'own.keras'}", normalisation="tf")
    assert [(stage.name, stage.layer) for stage in backbone.stages] == [
        ("stage_0", "a"),
        ("stage_1", "b"),
        ("top", "pool"),
    ]


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_lambda_is_refused_unless_trusted(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"code{suffix}"
    small(keras.layers.Lambda(lambda x: x / 255.0), *body()).save(file)
    with pytest.raises(UserError) as caught:
        load_backbone(f"keras_file:{file}")
    text = str(caught.value)
    assert "Lambda layer" in text
    assert "Python code which would run on this machine" in text
    assert "--allow-code" in text
    assert load_backbone(f"keras_file:{file}", allow_code=True).feature_width == 4


@pytest.mark.parametrize("name", ["plain.keras", "plain.h5"])
def test_truncated(folder: Path, name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes((folder / name).read_bytes()[:50_000])
    with pytest.raises(UserError, match="a whole model file"):
        load_backbone(f"keras_file:{file}")


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_backbone(f"keras_file:{tmp_path / 'none.keras'}")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UserError, match=r"a \.keras or \.h5 file"):
        load_backbone(f"keras_file:{tmp_path / 'a.txt'}")
    (tmp_path / "a.keras").write_text("x")
    with pytest.raises(UserError, match="cut short or no model"):
        load_backbone(f"keras_file:{tmp_path / 'a.keras'}")
    keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)]).save(tmp_path / "flat.keras")
    with pytest.raises(UserError, match=r"a model that takes images.*it takes \[None, 5\]"):
        load_backbone(f"keras_file:{tmp_path / 'flat.keras'}")


def test_options_and_weights_that_do_not_belong(folder: Path) -> None:
    reference = f"keras_file:{folder / 'plain.keras'}"
    with pytest.raises(UserError, match=r"backbone\.options\.normalization.*did you mean 'normalisation'"):
        load_backbone(reference, normalization="tf")
    with pytest.raises(UserError, match="brings its own weights"):
        load_backbone(reference, "random")


def test_normalisation_follows_weights_put_in_later(tmp_path: Path) -> None:
    layer = keras.layers.Normalization(name="norm")
    model = small(layer, *body())
    layer.adapt(np.random.default_rng(0).uniform(0, 255, (8, 16, 16, 3)))
    model.save(tmp_path / "own.keras")
    reference = f"keras_file:{tmp_path / 'own.keras'}"
    first, second = load_backbone(reference), load_backbone(reference)
    image = np.full((1, 16, 16, 3), 200, np.uint8)
    wanted = model(image.astype("float32"), training=False)
    np.testing.assert_allclose(first.features(image), wanted, rtol=1e-4, atol=1e-6)
    for variable in second.variables:
        variable.assign(np.zeros(variable.shape))
    for variable, value in zip(second.variables, first.variables, strict=True):
        variable.assign(value)
    np.testing.assert_array_equal(second.features(image), first.features(image))
