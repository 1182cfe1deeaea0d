"""Likely wrong labels."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.data.check.label_errors import (
    cross_validated_probabilities,
    cross_validated_scores,
    suspect_marks,
    suspects,
)


@pytest.fixture
def blobs():
    """Features of four classes that overlap a little, 300 images, and 20 of their labels flipped."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 300)
    features = rng.normal(size=(4, 96))[truth] * 0.6 + rng.normal(size=(300, 96))
    flipped = rng.choice(300, 20, replace=False)
    labels = truth.copy()
    labels[flipped] = (truth[flipped] + rng.integers(1, 4, 20)) % 4
    return features, truth, labels, set(flipped.tolist())


def test_flipped_labels_are_found_and_named(blobs):
    features, truth, labels, flipped = blobs
    found = suspects(cross_validated_probabilities(features, labels), labels)
    named = {i for i, _, _ in found}
    assert len(named & flipped) >= 19, f"recall {len(named & flipped) / 20:.2f}"
    assert len(named - flipped) <= 6
    assert sum(truth[i] == looks for i, looks, _ in found if i in flipped) >= 19
    margins = [margin for _, _, margin in found]
    assert margins == sorted(margins, reverse=True)
    assert all(0 < margin <= 1 for margin in margins)


def test_clean_labels_raise_little_suspicion(blobs):
    features, truth, _, _ = blobs
    assert len(suspects(cross_validated_probabilities(features, truth), truth)) <= 6


def test_probabilities_are_out_of_fold_and_seeded():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(100, 400)), rng.integers(0, 2, 100)
    first = cross_validated_probabilities(features, labels)
    np.testing.assert_allclose(first.sum(axis=1), 1)
    # Noise in more dimensions than images is learned by heart in training, and cannot be out of fold.
    assert (first.argmax(axis=1) == labels).mean() < 0.65
    np.testing.assert_array_equal(first, cross_validated_probabilities(features, labels))


def test_equal_images_do_not_vouch_for_each_other():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 40)
    features = rng.normal(size=(2, 200))[truth] * 0.8 + rng.normal(size=(80, 200))
    features = np.concatenate([features, features[:6], features[:6], features[:6]])
    labels = np.concatenate([truth, np.zeros(18, int)])
    wrong = [0, *range(80, 98, 6)]
    labels[wrong] = 1  # one image and its three copies, all wrong in the same way
    groups = [str(i) for i in range(80)] + [str(i) for i in range(6)] * 3
    found = {i for i, _, _ in suspects(cross_validated_probabilities(features, labels, groups), labels)}
    assert set(wrong) <= found


def test_too_little_to_say_anything():
    with pytest.raises(ValueError, match="at least two classes"):
        cross_validated_probabilities(np.eye(3), np.array([0, 0, 1]))
    with pytest.raises(ValueError, match="at least two classes"):
        cross_validated_probabilities(np.eye(3), np.array([0, 0, 0]))


@pytest.fixture
def tags():
    """Features of images with any of four labels, and 20 of the 1200 marks turned over."""
    rng = np.random.default_rng(0)
    truth = rng.random((300, 4)) < [0.5, 0.3, 0.15, 0.4]
    features = truth @ rng.normal(size=(4, 96)) + rng.normal(size=(300, 96))
    marked = truth.copy()
    rows, columns = rng.choice(300, 20, replace=False), rng.integers(0, 4, 20)
    marked[rows, columns] ^= True
    return features, truth, marked, set(zip(rows.tolist(), columns.tolist(), strict=True))


def test_turned_marks_of_several_labels_are_found(tags):
    features, truth, marked, turned = tags
    groups = [str(i) for i in range(300)]
    found = suspect_marks(cross_validated_scores(features, marked, groups), marked)
    named = {(i, label) for i, label, _ in found}
    assert len(named & turned) >= 17, f"recall {len(named & turned) / 20:.2f}"
    assert len(named - turned) <= 6
    assert len(suspect_marks(cross_validated_scores(features, truth, groups), truth)) <= 6
    assert all(0 < margin <= 1 for _, _, margin in found)


def test_a_label_that_hardly_occurs_raises_no_suspicion(tags):
    features, truth, _, _ = tags
    rare = truth.copy()
    rare[:, 0] = False
    rare[:3, 0] = True
    found = suspect_marks(cross_validated_scores(features, rare, [str(i) for i in range(300)]), rare)
    assert not [one for one in found if one[1] == 0]
    with pytest.raises(ValueError, match="at least 10 images"):
        cross_validated_scores(features[:8], rare[:8], [str(i) for i in range(8)])
