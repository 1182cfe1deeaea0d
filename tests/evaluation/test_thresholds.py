"""Thresholds of labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from transferkit.evaluation.thresholds import LEAST_EXAMPLES, MIDDLE, choose_thresholds


def f1_of(truth, probabilities, thresholds):
    said = probabilities >= np.asarray(thresholds)
    return 2 * (said & truth).sum(axis=0) / (said.sum(axis=0) + truth.sum())


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), skew=st.floats(0.3, 4), share=st.floats(0.1, 0.9))
def test_no_other_threshold_has_a_better_f1(seed, skew, share):
    rng = np.random.default_rng(seed)
    truth = rng.random((60, 1)) < share
    probabilities = (np.clip(truth * 0.3 + rng.random((60, 1)) * 0.7, 0, 1) ** skew).astype(np.float32)
    (chosen,) = choose_thresholds(truth, probabilities)
    if min(truth.sum(), 60 - truth.sum()) < LEAST_EXAMPLES:
        assert chosen == MIDDLE
        return
    reached = f1_of(truth, probabilities, [chosen])[0]
    assert reached == pytest.approx(f1_score(truth[:, 0], probabilities[:, 0] >= chosen, zero_division=0))
    assert f1_of(truth, probabilities, np.linspace(0.001, 0.999, 500)).max() <= reached + 1e-9


def test_each_label_has_its_own_and_equals_go_to_the_middle():
    truth = np.zeros((40, 2), bool)
    truth[:20, 0] = truth[:10, 1] = True
    probabilities = np.where(truth, [0.9, 0.2], [0.3, 0.1]).astype(np.float32)
    low, rare = choose_thresholds(truth, probabilities)
    assert low == pytest.approx(0.6, abs=1e-6)
    assert rare == pytest.approx(0.15, abs=1e-6)


def test_without_examples_there_is_nothing_to_choose_by():
    truth = np.zeros((40, 3), bool)
    truth[:4, 0] = truth[:, 1] = truth[:10, 2] = True
    probabilities = np.full((40, 3), 0.4, np.float32)
    assert choose_thresholds(truth, probabilities).tolist()[:2] == [MIDDLE, MIDDLE]
    assert 0 < choose_thresholds(truth, probabilities)[2] < 1
    with pytest.raises(ValueError, match="one"):
        choose_thresholds(truth, probabilities[:, :2])


@pytest.mark.parametrize("wanted", [0.6, 0.8, 0.95])
def test_a_wanted_precision_is_reached_as_often_as_can_be(wanted):
    rng = np.random.default_rng(3)
    given = rng.random((400, 1))
    labels = rng.random((400, 1)) < given
    (threshold,) = choose_thresholds(labels, given, precision=wanted)
    answered = given >= threshold
    assert labels[answered].mean() >= wanted
    for lower in np.sort(given[~answered])[::-1]:
        more = given >= lower
        assert labels[more].mean() < wanted


def test_a_precision_that_cannot_be_had_is_told():
    labels = np.array([[0], [1]] * 20)
    assert np.isnan(choose_thresholds(labels, np.full((40, 1), 0.7), precision=0.9)).all()
    # Four lucky images prove nothing.
    few = np.zeros((40, 1))
    few[:4] = 1
    assert np.isnan(choose_thresholds(few, np.linspace(1, 0, 40)[:, None], precision=0.95)).all()


def test_a_precision_is_reached_among_probabilities_close_to_one():
    labels = np.arange(80)[:, None] < 30
    given = np.where(labels, 0.99996, 0.99992)
    given[50:] = 0.1
    (threshold,) = choose_thresholds(labels, given, precision=0.95)
    assert (given[:, 0] >= threshold).sum() == 30
    assert threshold < 1
