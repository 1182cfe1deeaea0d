"""Duplicates, near-duplicates and neighbours: what is planted is found, and nothing else."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scenes import scene, small

from transferkit.data.check.duplicates import exact_duplicates
from transferkit.data.check.neighbours import feature_pairs
from transferkit.data.check.perceptual import MOST_BITS, _candidates, near_pairs, perceptual_hashes


def kinds(labels, splits, hashes=("x", "x")):
    names = [str(i) for i in range(len(labels))]
    return [finding.kind for finding in exact_duplicates(names, labels, hashes, splits)]


def test_exact_duplicates_are_told_apart():
    assert kinds(["a", "a"], ["train", "train"]) == ["duplicate"]
    assert kinds(["a", "a"], [None, None]) == ["duplicate"]
    assert kinds(["a", "a"], ["train", "val"]) == ["leak"]
    assert kinds(["a", "b"], ["train", "val"]) == ["conflict"]
    assert kinds(["a", "b"], ["train", "train"]) == ["conflict"]
    assert kinds(["a", "a"], ["train", "val"], ("x", "y")) == []
    assert kinds(["a", "a"], ["train", "val"], (None, None)) == []
    (one,) = exact_duplicates(["p", "q", "r"], ["a", "a", "b"], ["x", "x", "x"], [None] * 3)
    assert one.names == ("p", "q", "r")
    assert one.classes == ("a", "a", "b")


def recompressed(picture, quality=40):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def halved(picture):
    return np.asarray(Image.fromarray(picture).resize((picture.shape[1] // 2, picture.shape[0] // 2)))


def brighter(picture):
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(picture)).enhance(1.08))


def framed(picture):
    picture = picture.copy()
    picture[:1], picture[-1:] = 0, 0
    return picture


def mirrored(picture):
    return picture[:, ::-1]


@pytest.mark.parametrize("change", [recompressed, halved, brighter, framed, mirrored])
def test_changed_copies_are_found_among_strangers(change):
    scenes = [scene(i) for i in range(150)]
    copies = [change(picture) for picture in scenes[:40]]
    images = np.stack([small(picture) for picture in [*scenes, *copies]])
    found = {(one, other) for one, other, _ in near_pairs(images)}
    planted = {(i, 150 + i) for i in range(40)}
    assert found <= planted, "strangers were taken for copies"
    assert len(found) >= 38, f"recall {len(found) / 40:.2f}"


def test_constant_pictures_are_left_out_by_the_caller():
    images = np.stack([np.full((32, 32, 3), 7, np.uint8)] * 3 + [small(scene(1))] * 2)
    usable = np.array([False, False, False, True, True])
    assert [(one, other) for one, other, _ in near_pairs(images, usable)] == [(3, 4)]
    assert near_pairs(images, np.zeros(5, bool)) == []


def test_banding_finds_every_close_pair_that_a_full_comparison_finds():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 200).astype(np.uint64)
    for i in range(60):
        flips = rng.choice(64, size=rng.integers(0, 10), replace=False)
        hashes = np.append(
            hashes, hashes[i] ^ np.bitwise_or.reduce(np.uint64(1) << flips.astype(np.uint64), initial=0)
        )
    close = {
        (i, j)
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if bin(int(hashes[i]) ^ int(hashes[j])).count("1") <= MOST_BITS
    }
    assert len(close) > 20
    assert _candidates(hashes) == close


def test_hashes_are_one_number_a_picture():
    images = np.stack([small(scene(i)) for i in range(50)])
    hashes = perceptual_hashes(images)
    assert hashes.dtype == np.uint64
    assert len(np.unique(hashes)) == 50
    np.testing.assert_array_equal(hashes[10:20], perceptual_hashes(images[10:20]))


def test_neighbours_lie_across_splits_only():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 64)) + 3  # a common part, as features have
    features[50] = features[3] + rng.normal(size=64) * 0.05  # val beside train
    features[4] = features[5]  # both in train
    splits = ["train"] * 40 + [None] * 5 + ["val"] * 15
    ((one, other, cosine),) = feature_pairs(features, splits, block=4)
    assert (one, other) == (3, 50)
    assert cosine > 0.99
    assert feature_pairs(features, [None] * 60) == []
    assert feature_pairs(features, ["val"] * 60) == []


def test_neighbours_between_val_and_test_are_told_once():
    features = np.eye(4)[[0, 1, 0, 2]]
    ((one, other, cosine),) = feature_pairs(features, ["val", "train", "test", "train"])
    assert (one, other) == (0, 2)
    assert cosine == pytest.approx(1)
