"""The embedded backbone: its shape, its file, and whether its features are worth shipping."""

from __future__ import annotations

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from transferkit.backbones.networks.embedded import embedded
from transferkit.find_card import load_card

CARD = load_card("embedded")


@pytest.fixture(scope="module")
def trained() -> keras.Model:
    return embedded(weights=str(CARD.weights_file), pooling="avg")


def features(model: keras.Model, images: list[Image.Image]) -> np.ndarray:
    size = model.input_shape[1:3][::-1]
    pixels = np.stack([np.asarray(image.convert("RGB").resize(size, Image.BILINEAR)) for image in images])
    return model.predict(pixels / np.float32(127.5) - 1, batch_size=50, verbose=0)


def probe(train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, labels: np.ndarray) -> float:
    """Share that a linear classifier on standardised features names rightly."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    return float(classifier.fit(train, train_labels).score(test, labels))


def test_card_states_the_facts(trained: keras.Model) -> None:
    assert trained.count_params() == CARD.parameters
    assert trained.output_shape == (None, CARD.feature_width)
    assert trained.input_shape == (None, *CARD.size, 3)
    assert CARD.normalisation == "tf"


def test_file_is_small_and_holds_numbers_alone() -> None:
    path = CARD.weights_file
    assert path is not None
    assert path.stat().st_size <= 2_500_000
    kinds = set()
    with h5py.File(path) as file:
        file.visititems(lambda _, one: kinds.add(str(one.dtype)) if isinstance(one, h5py.Dataset) else None)
    assert kinds == {"float16"}


def test_weights_load_as_float32_and_are_finite(trained: keras.Model) -> None:
    assert {str(one.dtype) for one in trained.variables} == {"float32"}
    assert all(np.isfinite(value).all() for value in trained.get_weights())


@pytest.mark.parametrize(("size", "grid"), [(32, (2, 2)), (97, (7, 7)), (128, (8, 8))])
def test_map_has_a_sixteenth_of_the_size(size: int, grid: tuple[int, int]) -> None:
    model = embedded(input_shape=(size, size, 3))
    assert model(np.zeros((1, size, size, 3), np.float32)).shape == (1, *grid, CARD.feature_width)


def test_builds_on_a_given_tensor_with_every_pooling() -> None:
    images = keras.Input((None, None, 3))
    raw = keras.layers.Rescaling(1 / 127.5, -1)(images)
    x = np.random.default_rng(0).uniform(0, 255, (2, 64, 48, 3)).astype(np.float32)
    keras.utils.set_random_seed(1)
    average = embedded(input_tensor=raw, pooling="avg")
    greatest = embedded(input_tensor=raw, pooling="max")
    whole = embedded(input_tensor=raw)
    for model in (greatest, whole):
        model.set_weights(average.get_weights())
    answer = np.asarray(whole(x))
    np.testing.assert_allclose(average(x), answer.mean((1, 2)), atol=1e-6)
    np.testing.assert_allclose(greatest(x), answer.max((1, 2)), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"include_top": True}, "no classification top"),
        ({"pooling": "mean"}, "'mean'"),
        ({"input_shape": (64, 64, 1)}, "three channels"),
    ],
)
def test_refuses_what_it_cannot_build(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        embedded(**arguments)


def test_features_are_of_a_size_that_a_linear_head_learns_from(trained: keras.Model) -> None:
    digits = [Image.fromarray((image * 15.9).astype(np.uint8)) for image in load_digits().images[:50]]
    found = features(trained, digits)
    assert 0.1 < found.mean() < 3
    assert (found.std(0) > 1e-3).mean() > 0.8


def test_beats_random_weights_on_few_handwritten_digits(trained: keras.Model) -> None:
    digits = load_digits()
    images = [Image.fromarray((image * 15.9).astype(np.uint8)) for image in digits.images[:700]]
    labels = digits.target[:700]
    keras.utils.set_random_seed(0)
    scores = {}
    for name, model in {"trained": trained, "random": embedded(pooling="avg")}.items():
        found = features(model, images)
        scores[name] = probe(found[:200], labels[:200], found[200:], labels[200:])
    assert scores["trained"] > scores["random"] + 0.03


@pytest.mark.real
def test_reaches_its_mark_on_flower_photos(trained: keras.Model, shared_data: Path) -> None:
    folder = shared_data / "flowers_small"
    if not folder.is_dir():
        pytest.skip(f"needs flower photos; {folder} is no folder")
    found = {}
    for part in ("train", "val"):
        files = sorted((folder / part).glob("*/*"))
        images = [Image.open(file) for file in files]
        found[part] = features(trained, images), np.array([file.parent.name for file in files])
    assert probe(*found["train"], *found["val"]) >= 0.65
