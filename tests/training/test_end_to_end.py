"""Batches of training images that pass the whole network."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from transferkit.activations.division import Division, real_rows
from transferkit.augmentation import make_augmentation
from transferkit.data.reader import read_image
from transferkit.data.splits.ledger import Row
from transferkit.recipe import load
from transferkit.training.augmented_batches import make_direct, make_views
from transferkit.training.images import Images

FLIP_AND_COLOUR = ["augmentation.flip=true", "augmentation.color=0.4"]
COUNT = 11


@pytest.fixture
def images(tmp_path):
    rows, paths = [], []
    for i in range(COUNT):
        # Every third is WebP, which older TensorFlows do not decode in the graph.
        path = tmp_path / f"{i}.{'webp' if i % 3 == 0 else 'png'}"
        pixels = np.random.default_rng(i).integers(0, 256, (5, 6, 3), np.uint8)
        Image.fromarray(pixels).resize((40, 30)).save(path)
        rows.append(Row(hashlib.sha256(path.read_bytes()).hexdigest(), path.name, "ab"[i % 2], "train"))
        paths.append(str(path))
    return Images(("a", "b"), tuple(rows), tuple(paths), np.arange(COUNT) % 2)


def direct_of(images, *words, seed=3):
    return make_direct(load(None, [*words, f"seed={seed}"]), images, (24, 32))


def epoch_of(direct, images, epoch, batch_size=4, seed=7, parts=1, fills=False):
    division = Division(batch_size, parts, fills)
    return list(direct.epoch(np.arange(COUNT), images.labels, division, seed, epoch).as_numpy_iterator())


def test_each_image_comes_once_an_epoch_with_its_label(images):
    direct = direct_of(images, "augmentation.flip=true")
    batches = epoch_of(direct, images, 2)
    assert [len(labels) for _, labels in batches] == [4, 4, 3]
    assert [int(features["batch"]) for features, _ in batches] == [6, 7, 8]
    seen = np.concatenate([features["images"] for features, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    assert seen.shape == (COUNT, 24, 32, 3)
    assert seen.dtype == np.uint8
    # A flip moves no pixel out of its row: the sorted rows tell which image it is.
    plain = np.stack([np.asarray(read_image(path, direct.decoding)) for path in images.paths])
    found = [int(np.argmin(np.abs(mean_rows(plain) - mean_rows(one[None])).sum((1, 2)))) for one in seen]
    assert sorted(found) == list(range(COUNT))
    np.testing.assert_array_equal(labels, images.labels[found])


def test_no_thread_tunes_what_is_chosen(images):
    direct = direct_of(images, "augmentation.flip=true")
    batches = direct.epoch(np.arange(COUNT), images.labels, Division(4), 7, 0)
    assert batches.options().autotune.enabled is False


@pytest.mark.parametrize("parts", [1, 2])
def test_images_are_mixed_before_their_batch_is_filled_up_and_divided(images, parts):
    direct = direct_of(images, "augmentation.mixup=true", "augmentation.flip=true")
    plain, divided = epoch_of(direct, images, 1), epoch_of(direct, images, 1, parts=parts, fills=True)
    assert len(divided) == 3 * parts
    for place in (0, 1):
        one = np.concatenate([batch[0]["images"] if place == 0 else batch[1] for batch in plain])
        same = [
            real_rows(features, features["images"] if place == 0 else labels) for features, labels in divided
        ]
        np.testing.assert_array_equal(np.concatenate(same), one)


def mean_rows(images):
    return images.astype(np.float64).mean(axis=2)


def test_an_epoch_is_a_function_of_its_number_and_the_seeds(images):
    direct, again = (direct_of(images, *FLIP_AND_COLOUR) for _ in range(2))
    one, same = epoch_of(direct, images, 1), epoch_of(again, images, 1)
    for (first, first_labels), (second, second_labels) in zip(one, same, strict=True):
        np.testing.assert_array_equal(first["images"], second["images"])
        np.testing.assert_array_equal(first_labels, second_labels)
    for other in (
        epoch_of(direct, images, 2),
        epoch_of(direct, images, 1, seed=8),
        epoch_of(direct_of(images, *FLIP_AND_COLOUR, seed=4), images, 1),
    ):
        assert any(
            not np.array_equal(a["images"], b["images"]) for (a, _), (b, _) in zip(one, other, strict=True)
        )


def test_an_interrupted_epoch_goes_on_where_it_stopped(images):
    direct = direct_of(images, *FLIP_AND_COLOUR, "augmentation.mixup=true")
    whole = epoch_of(direct, images, 4)
    rest = list(
        direct.epoch(np.arange(COUNT), images.labels, Division(4, fills=False), 7, 4)
        .skip(1)
        .as_numpy_iterator()
    )
    for (one, labels), (other, other_labels) in zip(whole[1:], rest, strict=True):
        np.testing.assert_array_equal(one["images"], other["images"])
        np.testing.assert_array_equal(labels, other_labels)


def test_epoch_e_shows_view_e(images):
    direct = direct_of(images, *FLIP_AND_COLOUR)
    seen = np.concatenate([features["images"] for features, _ in epoch_of(direct, images, 5, COUNT)])
    views = make_views(load(None, [*FLIP_AND_COLOUR, "seed=3", "activations.views=9"]))
    order = np.random.default_rng((7, 5)).permutation(COUNT)
    plain = np.stack([np.asarray(read_image(images.paths[i], direct.decoding)) for i in order])
    expected = views.augment(plain, views.seeds([images.rows[i].sha256 for i in order], 5))
    np.testing.assert_array_equal(seen, expected)


def test_mixed_images_come_with_shares_of_labels(images):
    direct = direct_of(images, "augmentation.cutmix=true")
    for _, labels in epoch_of(direct, images, 0):
        assert labels.shape[1] == 2
        np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    several = Images(images.classes, images.rows, images.paths, np.eye(2, dtype=np.float32)[images.labels])
    mixed = make_direct(load("multi_label", ["augmentation.mixup=true"]), several, (24, 32))
    found = np.concatenate([labels for _, labels in epoch_of(mixed, several, 0)])
    assert found.shape == (COUNT, 2)
    assert ((found > 0.001) & (found < 0.999)).any()


@pytest.mark.parametrize(
    ("words", "passes"),
    [
        ([], False),
        (["augmentation.flip=true"], True),
        (["augmentation.flip=true", "activations.views=4"], False),
        (['augmentation.mixup={at="cut"}'], False),
        (["augmentation.mixup=true"], True),
        (['augmentation.mixup={at="cut"}', "augmentation.flip=true"], True),
    ],
)
def test_what_passes_the_whole_network(images, words, passes):
    recipe = load(None, words)
    assert (make_direct(recipe, images, (24, 32)) is not None) == passes
    assert (make_augmentation(recipe.augmentation) is None) == (not words)
    assert not (passes and make_views(recipe))
