"""The score of what is unlike the training photos, on features whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.evaluation.novelty import NoveltyModel, area, fit_novelty, left_out_area, threshold_of


def cloud(middle, count, seed):
    return np.random.default_rng(seed).normal(middle, 0.3, (count, len(middle))).astype(np.float32)


MIDDLES = np.eye(3, 8, dtype=np.float32) * 4
FEATURES = np.concatenate([cloud(middle, 60, seed) for seed, middle in enumerate(MIDDLES)])
LABELS = np.repeat(np.arange(3), 60)


WIDE = np.random.default_rng(0).normal(0, 1, (40, 400)).astype(np.float32)


@pytest.mark.parametrize(
    ("features", "labels"), [(FEATURES, LABELS), (WIDE, np.arange(40) % 2)], ids=["many photos", "few photos"]
)
def test_it_is_the_mahalanobis_distance_to_the_nearest_class(features, labels):
    from sklearn.covariance import ledoit_wolf

    model = fit_novelty(features, labels)
    rows = features / np.linalg.norm(features, axis=1, keepdims=True)
    means = np.stack([rows[labels == k].mean(0) for k in range(labels.max() + 1)])
    precision = np.linalg.inv(ledoit_wolf(rows - means[labels], assume_centered=True)[0])
    differences = rows[:, None] - means
    expected = np.einsum("ncd,de,nce->nc", differences, precision, differences).min(1)
    np.testing.assert_allclose(model.score(features), expected, rtol=1e-3)


def test_wide_features_keep_the_largest_axes_alone():
    features = np.random.default_rng(0).normal(0, 1, (420, 400)).astype(np.float32)
    model = fit_novelty(features, np.arange(420) % 2)
    assert model.axes.shape == (400, 64)
    assert np.isfinite(model.score(features)).all()


def test_the_graph_gives_the_same_scores():
    from transferkit.transfer.novelty_score import Novelty

    model = NoveltyModel.from_arrays({**fit_novelty(FEATURES, LABELS).arrays(), "threshold": 7.0})
    found = Novelty(model.arrays())(FEATURES).numpy()
    np.testing.assert_allclose(found, model.score(FEATURES), rtol=1e-4, atol=1e-5)


def test_a_class_left_out_is_told_and_photos_of_several_labels_have_one_mean():
    new = np.concatenate([cloud(middle, 30, 10 + seed) for seed, middle in enumerate(MIDDLES)])
    assert left_out_area(FEATURES, LABELS, new, np.repeat(np.arange(3), 30), 1) > 0.99
    assert left_out_area(FEATURES, LABELS, new[:30], np.zeros(30, int), 1) is None
    assert fit_novelty(FEATURES, np.eye(3)[LABELS]).means.shape == (1, 8)
    assert area(np.zeros(3), np.zeros(4)) == 0.5


@pytest.mark.parametrize("count", [19, 20, 99, 500])
def test_the_threshold_is_passed_by_the_share_that_was_wanted(count):
    rng = np.random.default_rng(count)
    rates = []
    for _ in range(300):
        threshold = threshold_of(rng.exponential(size=count), 0.05)
        rates.append(np.exp(-threshold))
    assert np.mean(rates) == pytest.approx(0.05, abs=0.01) or np.mean(rates) < 0.05


def test_too_few_photos_give_no_threshold():
    assert threshold_of(np.arange(18.0), 0.05) is None
    assert threshold_of(np.arange(19.0), 0.05) == 18
    assert threshold_of(np.zeros(0), 0.05) is None
