"""Random changes that are a function of the image and its seed alone."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.augmentation import Pipeline, make_augmentation, view_seeds
from transferkit.augmentation._base import Augmentation
from transferkit.augmentation._beta import beta
from transferkit.augmentation._chance import batch_seeds, evenly
from transferkit.recipe import load
from transferkit.registry import registry

NAMES = registry("augmentation").names()


def pipeline(**table: object) -> Pipeline:
    made = make_augmentation(load("retrain", augmentation=table).augmentation)
    assert made is not None
    return made


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """16 smooth pictures, uint8 ``[16, 24, 32, 3]``."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (16, 6, 8, 3)).astype(np.float32)
    return tf.cast(tf.image.resize(small, (24, 32)), tf.uint8).numpy()


SEEDS = tf.range(16, dtype=tf.int64) * 7919


def test_all_are_found_and_say_what_they_do():
    wanted = {"flip", "crop", "rotation", "zoom", "color", "rand_augment", "mixup", "cutmix", "erasing"}
    assert wanted <= set(NAMES)
    orders = []
    for name in NAMES:
        word = registry("augmentation").get(name)
        assert issubclass(word, Augmentation)
        own = {method for method in ("move", "paint", "mix") if method in vars(word)}
        assert own == {word.way}
        orders.append(word.order)
    assert len(set(orders)) == len(orders)


def test_off_by_default():
    assert make_augmentation(load().augmentation) is None
    assert make_augmentation(load(augmentation={"flip": False}).augmentation) is None


@pytest.mark.parametrize("name", [one for one in NAMES if one not in ("mixup", "cutmix")])
def test_each_changes_images_by_their_seeds(name, images):
    made = pipeline(**{name: True})
    assert made.changes_images
    assert not made.mixes_images
    found = made.images(images, SEEDS).numpy()
    assert found.shape == images.shape
    assert found.dtype == np.uint8
    assert np.any(found != images)
    np.testing.assert_array_equal(found, made.images(images, SEEDS))
    assert np.any(found != made.images(images, SEEDS + 1))
    alone = made.images(images[5:6], SEEDS[5:6]).numpy().astype(int)
    assert np.abs(alone - found[5:6]).max() <= 1


def test_the_same_inside_a_graph(images):
    made = pipeline(flip=True, crop=True, color=True, rand_augment=True, erasing=True)
    inside = tf.function(made.images)(images, SEEDS).numpy().astype(int)
    assert np.abs(inside - made.images(images, SEEDS).numpy()).max() <= 1


def test_flip_mirrors_exactly(images):
    found = pipeline(flip=True).images(images, SEEDS).numpy()
    kept = [np.array_equal(one, image) for one, image in zip(found, images, strict=True)]
    mirrored = [np.array_equal(one, image[:, ::-1]) for one, image in zip(found, images, strict=True)]
    assert all(one or other for one, other in zip(kept, mirrored, strict=True))
    assert 3 <= sum(mirrored) <= 13
    both = pipeline(flip="both").images(images, SEEDS).numpy()
    assert any(np.array_equal(one, image[::-1, ::-1]) for one, image in zip(both, images, strict=True))


def test_crops_are_windows_of_the_image():
    """On a ramp, a window is a shorter ramp: of at least the least width, and within the ends."""
    ramp = np.broadcast_to(np.linspace(0, 250, 64)[None, None, :, None], (32, 64, 64, 3)).astype(np.uint8)
    found = pipeline(crop={"least": 0.25, "ratio": 1.0}).images(ramp, tf.range(32, dtype=tf.int64)).numpy()
    span = (found[:, 32, -1, 0].astype(float) - found[:, 32, 0, 0]) / 250
    assert span.min() >= 0.47
    assert span.max() <= 1
    assert span.std() > 0.05


def test_rotation_turns_by_no_more_than_said():
    """A bright spot right of the middle stays within its arc."""
    images = np.zeros((64, 65, 65, 3), np.uint8)
    images[:, 31:34, 56:60] = 255
    found = pipeline(rotation=30).images(images, tf.range(64, dtype=tf.int64)).numpy()[..., 0].astype(float)
    rows, columns = np.mgrid[-32:33, -32:33]
    y = (found * rows).sum(axis=(1, 2)) / found.sum(axis=(1, 2))
    x = (found * columns).sum(axis=(1, 2)) / found.sum(axis=(1, 2))
    degrees = np.degrees(np.arctan2(y, x))
    assert np.abs(degrees).max() <= 31
    assert np.abs(degrees).max() > 20
    assert degrees.min() < 0 < degrees.max()


def test_erasing_covers_its_share():
    images = np.tile(np.array([0, 255], np.uint8)[None, None, :, None], (400, 20, 10, 3))
    found = (
        pipeline(erasing={"share": 0.5, "area": 0.3}).images(images, tf.range(400, dtype=tf.int64)).numpy()
    )
    covered = np.mean(found != images, axis=(1, 2, 3))
    assert 0.4 < np.mean(covered > 0) <= 0.55
    assert covered.max() <= 0.35


def test_mixup_mixes_images_and_labels_alike():
    images = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (0, 80, 160, 240)])
    labels = np.eye(4, dtype=np.float32)
    made = pipeline(mixup={"alpha": 1.0})
    assert made.mixes_images
    found, shares = made.mix(images, labels, seed=3)
    np.testing.assert_allclose(shares.numpy().sum(axis=1), 1, rtol=1e-6)
    assert np.all(np.diag(shares.numpy()) >= 0.5)
    wanted = shares.numpy() @ np.array([0, 80, 160, 240])
    assert np.abs(found.numpy()[:, 0, 0, 0] - wanted).max() <= 0.51


def test_mixup_at_the_cut_mixes_activations_only():
    made = pipeline(mixup={"alpha": 1.0, "at": "cut"})
    assert made.mixes_activations
    assert not made.mixes_images
    rows, labels = np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32)
    mixed, shares = made.mix(rows, labels, 5, at="cut")
    np.testing.assert_allclose(mixed, shares, rtol=1e-6)
    assert not np.allclose(mixed, rows)
    np.testing.assert_array_equal(made.mix(rows, labels, 5)[0], rows)


def test_cutmix_gives_labels_by_area():
    images = np.stack([np.full((20, 20, 3), value, np.uint8) for value in (0, 100, 200, 250)])
    found, shares = pipeline(cutmix=True).mix(images, np.eye(4, dtype=np.float32), seed=9)
    own = np.mean(found.numpy() == images, axis=(1, 2, 3))
    np.testing.assert_allclose(np.diag(shares.numpy()), own, atol=1e-6)
    assert 0 < own.mean() < 1


def test_chance_is_even_and_independent():
    numbers = evenly(batch_seeds(1, 20_000), 4, salt=3).numpy()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    np.testing.assert_allclose(numbers.mean(axis=0), 0.5, atol=0.01)
    np.testing.assert_allclose(numbers.var(axis=0), 1 / 12, atol=0.003)
    between = np.corrcoef(np.concatenate([numbers, evenly(batch_seeds(1, 20_000), 4, salt=4)], axis=1).T)
    assert np.abs(between - np.eye(8)).max() < 0.03


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_are_beta_distributed(alpha):
    from scipy.stats import beta as distribution
    from scipy.stats import kstest

    shares = beta(alpha, evenly(batch_seeds(2, 5000), 1, 1)[:, 0]).numpy()
    assert kstest(shares, distribution(alpha, alpha).cdf).pvalue > 1e-3


def test_views_are_functions_of_image_view_and_seed():
    hashes = np.array([1, 2, 2**63 + 5], dtype=np.uint64)
    first = view_seeds(0, hashes, 0)
    assert first.dtype == np.int64
    np.testing.assert_array_equal(first[[2, 0]], view_seeds(0, hashes[[2, 0]], 0))
    every = {int(s) for seed in (0, 1) for view in range(4) for s in view_seeds(seed, hashes, view)}
    assert len(every) == 24
