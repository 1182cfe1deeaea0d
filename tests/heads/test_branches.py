"""Kernels and random features: what the layer computes, what is chosen, and what many classes do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transferkit.heads import Known, make_head
from transferkit.heads._branches import Branch, branch_layer, hidden_values, set_branch_weights
from transferkit.heads._fit_data import Rows, Targets
from transferkit.heads._fitting import Sizes, fit_branch

LEVELS = {"low": 3, "middle": 4, "top": 5}
KINDS = ("linear", "relu", "gaussian", "arc_cosine")


def ring(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A disc within a ring, in 6 features: no straight line parts them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    angle = rng.uniform(0, 2 * np.pi, count)
    radius = np.where(labels == 1, 3.0, 1.0) + 0.2 * rng.normal(size=count)
    plane = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return np.hstack([plane, 0.2 * rng.normal(size=(count, 4))]).astype(np.float32), labels


@pytest.mark.parametrize("kind", KINDS)
def test_the_layer_is_what_the_fit_computed_with(kind):
    rng = np.random.default_rng(0)
    rows = Rows(rng.normal(size=(30, 6)).astype(np.float32) + 0.5)
    targets = Targets(np.eye(3)[np.arange(30) % 3], np.ones(30), False)
    fit = fit_branch(kind, rows, targets, Sizes(20, 12), width=1.5)
    weights = fit.weights(0.1, 2.0, 0.0)
    layer = branch_layer((Branch(kind, (), fit.units),), {}, 6, 3)
    set_branch_weights(layer, (Branch(kind, (), fit.units),), [weights])
    hidden = hidden_values(kind, rows.values.astype(np.float64), fit.hidden)
    np.testing.assert_allclose(layer(rows.values), hidden @ weights[-2] + weights[-1], atol=2e-4)
    # At its own images a fit says what its decomposition says.
    fitted = hidden @ weights[-2] + weights[-1]
    assert np.mean((fitted.argmax(axis=1)) == np.arange(30) % 3) > 0.4


def test_branches_read_their_levels_and_are_added_up():
    rng = np.random.default_rng(1)
    design = tuple(
        Branch(kind, levels, units)
        for kind, levels, units in zip(
            KINDS, [(), ("low", "top"), ("top",), ("middle", "top")], (0, 6, 7, 8), strict=True
        )
    )
    layer = branch_layer(design, LEVELS, 12, 3)
    features = rng.normal(size=(5, 12)).astype(np.float32)
    columns = [list(range(12)), [0, 1, 2, 7, 8, 9, 10, 11], list(range(7, 12)), list(range(3, 12))]
    shapes = {
        "linear": lambda width, units: [],
        "relu": lambda width, units: [(width, units), (units,)],
        "gaussian": lambda width, units: [(width, units), (units,), (width, 1)],
        "arc_cosine": lambda width, units: [(width, units), (units,), (width, 1), (1,)],
    }
    weights, total = [], 0.0
    for branch, chosen in zip(design, columns, strict=True):
        last = [(branch.units or len(chosen), 3), (3,)]
        own = [0.3 * rng.normal(size=one) for one in (*shapes[branch.kind](len(chosen), branch.units), *last)]
        if branch.kind == "arc_cosine":
            own[2:4] = [np.abs(one) for one in own[2:4]]  # of a length
        hidden = hidden_values(branch.kind, features[:, chosen].astype(float), own[:-2])
        total = total + hidden @ own[-2] + own[-1]
        weights.append(own)
    set_branch_weights(layer, design, weights)
    np.testing.assert_allclose(layer(features), total, atol=1e-5)


@pytest.mark.parametrize("kind", ["relu", "gaussian", "arc_cosine"])
def test_a_batch_of_as_many_images_as_units(kind):
    """Keras takes a column of as many rows as there are units for a bias."""
    rows = Rows(np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32))
    targets = Targets(np.eye(3)[np.arange(24) % 3], np.ones(24), False)
    fit = fit_branch(kind, rows, targets, Sizes(units=24))
    weights = fit.weights(0.3, 1.0, 0.0)
    design = (Branch(kind, (), fit.units),)
    layer = branch_layer(design, {}, 6, 3)
    set_branch_weights(layer, design, [weights])
    assert fit.units == len(rows)
    whole = layer(rows.values).numpy()
    parts = np.concatenate([layer(rows.values[:10]), layer(rows.values[10:])])
    np.testing.assert_allclose(whole, parts, atol=1e-5)


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "kernel"},
        {"kind": "kernel", "exact": 100, "landmarks": 60},
        {"kind": "kernel", "kernel": "arc_cosine"},
        {"kind": "random_features", "units": 100},
        {"kind": "random_features", "units": 300},
    ],
)
def test_curved_borders(spec):
    train, test = ring(150, 0), ring(400, 1)
    layer = make_head(spec, 6, ("a", "b")).fit(*train, seed=0)
    straight = make_head({"kind": "ridge"}, 6, ("a", "b")).fit(*train, seed=0)

    def right(found):
        return float(np.mean(np.argmax(found(test[0]), axis=1) == test[1]))

    assert right(straight) < 0.7
    assert right(layer) > 0.9


@pytest.mark.parametrize("kind", ["kernel", "random_features", "ridge"])
def test_copies_are_left_out_together(kind):
    """Two of each image, with labels of pure chance: the twin left in would tell all."""
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(200, 30)), 2, axis=0).astype(np.float32)
    labels = np.repeat(rng.integers(0, 2, 200), 2)
    head = make_head({"kind": kind}, 30, ("a", "b"))
    groups = np.repeat(np.arange(200), 2)
    fooled = head.fit(rows, labels, seed=0)
    layer = head.fit(rows, labels, seed=0, known=Known(groups, {"features": 30}))
    fresh = rng.normal(size=(300, 30)).astype(np.float32)
    answers = rng.integers(0, 2, 300)
    chance = np.log(2)
    assert float(head.loss(answers, layer(fresh))) < chance + 0.05
    assert float(head.loss(answers, fooled(fresh))) > float(head.loss(answers, layer(fresh)))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["ridge", "kernel", "random_features"]),
    st.integers(2, 30),
    st.integers(1, 20),
    st.integers(2, 6),
    st.booleans(),
    st.integers(0, 1000),
)
def test_odd_data_gives_numbers(kind, count, width, classes, alike, seed):
    rng = np.random.default_rng(seed)
    rows = np.ones((count, width)) if alike else rng.normal(size=(count, width))
    labels = rng.integers(0, classes, count)  # some classes have one image, some none
    names = [str(number) for number in range(classes)]
    layer = make_head({"kind": kind}, width, names).fit(rows.astype(np.float32), labels, seed=0)
    assert np.isfinite(layer(rows.astype(np.float32)).numpy()).all()


def test_thousands_of_classes():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(2000), 2)
    middles = rng.normal(size=(2000, 64))
    rows = (middles[labels] + 0.1 * rng.normal(size=(4000, 64))).astype(np.float32)
    names = [str(number) for number in range(2000)]
    head = make_head({"kind": "ridge", "penalties": [0.01, 0.1]}, 64, names)
    layer = head.fit(rows, labels, seed=0)
    assert np.mean(np.argmax(layer(rows[::2]), axis=1) == labels[::2]) > 0.3
