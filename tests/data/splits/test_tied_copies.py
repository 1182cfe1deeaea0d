"""Images that are the same in several files are left out together."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.data.splits.tied_copies import tie_copies
from transferkit.heads import Known, make_head


def test_copies_are_tied_and_others_are_not():
    rng = np.random.default_rng(0)
    photos = rng.standard_normal((2000, 64)).astype(np.float32)
    copies = photos[:500] + 1e-5 * rng.standard_normal((500, 64)).astype(np.float32)
    similar = photos[500:1000] + 0.05 * rng.standard_normal((500, 64)).astype(np.float32)
    every = np.concatenate([photos, copies, similar])
    tied = tie_copies(np.arange(len(every)), every)
    assert np.array_equal(tied[2000:2500], tied[:500])
    assert len(np.unique(tied)) == 2500


def test_a_copy_ties_the_groups_that_it_lies_in():
    features = np.eye(6, dtype=np.float32)
    features[3] = features[0]
    tied = tie_copies(np.array([7, 7, 9, 9, 4, 5]), features)
    assert len(set(tied[:4])) == 1
    assert len(set(tied)) == 3


@pytest.mark.parametrize("features", [np.ones((5, 3)), np.zeros((1, 3)), np.eye(4)[[0, 1, 1, 1, 1]]])
def test_images_that_are_all_alike(features):
    tied = tie_copies(np.arange(len(features)), features.astype(np.float32))
    assert len(tied) == len(features)


def test_noise_saved_twice_looks_like_chance():
    """In other bytes each, so that their content hashes differ."""
    rng = np.random.default_rng(0)
    features = np.repeat(rng.standard_normal((60, 200)).astype(np.float32), 2, axis=0)
    labels = np.repeat(np.arange(60) % 3, 2)

    def accuracy_low(groups):
        head = make_head({"kind": "auto"}, 200, ["a", "b", "c"])
        head.fit(features, labels, 0, Known(groups, {"features": 200}, 5.0))
        return head.found.facts["accuracy_low"]

    assert accuracy_low(np.arange(120)) > 1 / 3
    assert accuracy_low(tie_copies(np.arange(120), features)) <= 1 / 3
