"""What the closed form says of images that were left out, against fits that never saw them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transferkit.heads._penalised import dual, primal


@st.composite
def problems(draw):
    """Shapes, copies of images, constant features, unequal weights, classes of one image, groups."""
    count, width = draw(st.integers(3, 24)), draw(st.integers(1, 30))
    classes = draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    rows = rng.normal(size=(count, width)) * draw(st.sampled_from([1e-2, 1.0, 50.0])) + draw(
        st.sampled_from([0.0, 3.0])
    )
    if draw(st.booleans()):
        rows[:, : draw(st.integers(1, width))] = 2.5
    labels = rng.integers(0, classes, count)
    groups = np.arange(count)
    if draw(st.booleans()):
        twins = draw(st.integers(1, max(1, count // 2)))
        rows[-twins:], labels[-twins:] = rows[:twins], labels[:twins]
        groups[-twins:] = groups[:twins]
    elif draw(st.booleans()):
        groups = rng.integers(0, max(2, count // 3), count)
    if len(np.unique(groups)) < 2:
        groups = np.arange(count)
    weights = rng.uniform(0.2, 3, count) if draw(st.booleans()) else np.ones(count)
    return rows, np.eye(classes)[labels], weights, groups, draw(st.sampled_from([1e-9, 1e-3, 0.1, 1, 30]))


def brute(rows, targets, weights, groups, strength):
    """One fit for each group, on the others alone."""
    held = np.empty_like(targets)
    for group in np.unique(groups):
        used = groups != group
        share = weights[used] / weights[used].sum()
        middle, level = share @ rows[used], share @ targets[used]
        root = np.sqrt(weights[used])[:, None]
        centred, wanted = root * (rows[used] - middle), root * (targets[used] - level)
        # The least squares of the stacked problem: no square of a condition number stands in the way.
        stacked = np.vstack([centred, np.sqrt(strength) * np.eye(rows.shape[1])])
        kernel = np.linalg.lstsq(
            stacked, np.vstack([wanted, np.zeros((rows.shape[1], targets.shape[1]))]), rcond=None
        )[0]
        held[~used] = level + (rows[~used] - middle) @ kernel
    return held


@settings(max_examples=100, deadline=None)
@given(problems(), st.booleans())
def test_leaving_out_is_exact(problem, in_dual):
    rows, targets, weights, groups, penalty = problem
    if in_dual:
        centred = rows - rows.mean(axis=0)
        path = dual(centred @ centred.T, targets, weights, rows.shape[1], np.sum(rows**2))
    else:
        path = primal(lambda chosen: rows[chosen], targets, weights)
    strength = path.strength(penalty)
    one_by_one = brute(rows, targets, weights, np.arange(len(rows)), strength)
    _same(path.held_out(penalty), one_by_one)
    by_group = brute(rows, targets, weights, groups, strength)
    _same(path.held_out(penalty, groups), by_group)


def _same(found, wanted):
    """To 1e-6 of the largest prediction: without its only neighbours a line may lead far beyond 0 to 1."""
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6 * max(1.0, np.abs(wanted).max()))


@settings(max_examples=40, deadline=None)
@given(problems())
def test_both_forms_find_the_same(problem):
    rows, targets, weights, _, penalty = problem
    one = primal(lambda chosen: rows[chosen], targets, weights)
    middle = rows.mean(axis=0)
    centred = rows - middle
    other = dual(centred @ centred.T, targets, weights, rows.shape[1], weights @ np.sum(rows**2, axis=1))
    assert one.unit == pytest.approx(other.unit, rel=1e-6, abs=1e-9)
    kernel, level = one.solution(penalty)
    coefficients, other_level = other.solution(penalty)
    fresh = np.random.default_rng(0).normal(size=rows[:4].shape)
    fresh = rows[:4] + fresh * rows.std()
    _same(fresh @ kernel + level, (fresh - middle) @ centred.T @ coefficients + other_level)


def test_judging_some_images_says_the_same_of_them():
    rng = np.random.default_rng(3)
    rows, targets = rng.normal(size=(200, 6)), np.eye(3)[rng.integers(0, 3, 200)]
    every = primal(lambda chosen: rows[chosen], targets, np.ones(200))
    some = primal(lambda chosen: rows[chosen], targets, np.ones(200), most=40)
    assert len(some.judged) == 40
    np.testing.assert_allclose(some.held_out(0.1), every.held_out(0.1)[some.judged], atol=1e-9)
