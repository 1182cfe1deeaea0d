"""What to label next beats choosing at random, and never asks for the same photo twice."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.evaluation.label_choice import choose_photos, doubt_of


def clouds(counts, seed, spread=0.9):
    """Photos of classes in many places: each class has several kinds, some of them rare."""
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(99).normal(0, 1, (len(counts), 24))
    features = np.concatenate([rng.normal(m, spread, (n, 24)) for m, n in zip(middles, counts, strict=True)])
    labels = np.concatenate([np.full(n, k % 4) for k, n in enumerate(counts)])
    return features.astype(np.float32), labels


def fitted(features, labels):
    """Probabilities of ridge regression, the plainest of the heads."""
    ones = np.eye(4)[labels]
    rows = np.column_stack([features, np.ones(len(features))])
    kernel = np.linalg.solve(rows.T @ rows + 3 * np.eye(rows.shape[1]), rows.T @ ones)

    def probabilities(others):
        logits = 6 * np.column_stack([others, np.ones(len(others))]) @ kernel
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    return probabilities


def test_it_beats_choosing_at_random():
    kinds = [200, 200, 200, 200, 12, 12, 12, 12, 8, 8, 8, 8]
    new, new_labels = clouds([60] * len(kinds), 1)
    gains = []
    for seed in range(8):
        pool, labels = clouds(kinds, 10 + seed)
        rng = np.random.default_rng(seed)
        start = rng.choice(len(pool), 24, replace=False)
        probabilities = fitted(pool[start], labels[start])
        left = np.setdiff1d(np.arange(len(pool)), start)

        def accuracy(taken, start=start, pool=pool, labels=labels):
            every = np.concatenate([start, taken])
            answers = fitted(pool[every], labels[every])(new).argmax(axis=1)
            return float((answers == new_labels).mean())

        chosen = choose_photos(pool[left], doubt_of(probabilities(pool[left])), pool[start], 40)
        ours = accuracy(left[[one.place for one in chosen]])
        random = np.mean([accuracy(rng.choice(left, 40, replace=False)) for _ in range(5)])
        gains.append(ours - random)
    assert np.mean(gains) > 0.02
    assert np.mean(np.array(gains) > 0) >= 0.75


def test_a_copy_is_not_asked_for_and_what_is_labelled_neither():
    rng = np.random.default_rng(0)
    pool = rng.normal(0, 1, (20, 16)).astype(np.float32)
    copies = np.concatenate([pool, pool + 1e-3, pool[:5]])
    chosen = choose_photos(copies, np.ones(len(copies)), pool[10:], 40)
    assert len({one.place % 20 for one in chosen}) == len(chosen) == 10
    assert all(one.place % 20 < 10 for one in chosen)
    assert [one.distance for one in chosen] == sorted((one.distance for one in chosen), reverse=True)


def test_of_two_that_are_as_far_the_doubtful_one_comes_first():
    pool = np.eye(6, dtype=np.float32)
    doubt = np.array([0.1, 0.9, 0.2, 0.3, 0.0, 0.5])
    chosen = choose_photos(pool, doubt, np.zeros((0, 6), np.float32), 3)
    assert [one.place for one in chosen] == [1, 5, 3]


@pytest.mark.parametrize("count", [0, 1, 7])
def test_no_more_than_there_are(count):
    features = np.eye(max(count, 1), 8, dtype=np.float32)[:count]
    assert len(choose_photos(features, np.ones(count), np.eye(1, 8, 7, dtype=np.float32), 50)) == count


def test_doubt_is_the_margin_or_the_least_sure_label():
    assert doubt_of(np.array([[0.5, 0.5, 0], [1, 0, 0]])).tolist() == [1.0, 0.0]
    given = doubt_of(np.array([[0.8, 0.1], [0.3, 0.9]]), np.array([0.8, 0.4]))
    np.testing.assert_allclose(given, [1.0, 1 - min(0.5 / 0.8, 0.5 / 0.6)])
