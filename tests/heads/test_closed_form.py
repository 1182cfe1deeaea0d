"""Heads that are fitted at once, against what they should find."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.errors import UserError
from transferkit.heads import head_spec, make_head

CLASSES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    labels = rng.choice(4, size=300, p=[0.55, 0.25, 0.15, 0.05])
    middles = rng.normal(size=(4, 20))
    return (middles[labels] + 1.3 * rng.normal(size=(300, 20)) + 3).astype(np.float32), labels


def fitted(kind: str, data, counts=None, loss=None, **more):
    head = make_head({"kind": kind, **more}, data[0].shape[1], CLASSES, loss, counts)
    return head, head.fit(*data, seed=0)


def accuracy(layer, data) -> float:
    return float(np.mean(np.argmax(layer(data[0]), axis=1) == data[1]))


def test_logistic_agrees_with_scikit_learn(data):
    from sklearn.linear_model import LogisticRegression

    penalty = 0.01
    head, layer = fitted("logistic", data, penalties=[penalty])
    rows = data[0] - data[0].mean(axis=0)
    spread = np.sqrt(np.mean(rows**2))
    theirs = LogisticRegression(C=1 / (penalty * len(rows)), tol=1e-8, max_iter=5000).fit(
        rows / spread, data[1]
    )
    found = head.predictions(layer(data[0]))["probabilities"]
    np.testing.assert_allclose(found, theirs.predict_proba(rows / spread), atol=1e-3)


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
def test_the_penalty_is_chosen(kind, data):
    """Noise wants a strong penalty, and a clear signal a weak one: the held-out loss says so."""
    rng = np.random.default_rng(2)
    noise = (rng.normal(size=(80, 60)).astype(np.float32), rng.integers(0, 4, 80))
    head, layer = fitted(kind, noise)
    guess = float(head.loss(noise[1], np.zeros((80, 4), np.float32)))
    fresh = rng.normal(size=(500, 60)).astype(np.float32)
    assert float(head.loss(rng.integers(0, 4, 500), layer(fresh))) < guess + 0.15
    assert accuracy(fitted(kind, data)[1], data) > 0.8


def test_ridges_held_out_predictions_are_those_of_leaving_out(data):
    """The closed form of leaving one out chooses the penalty that the slow way chooses."""
    from transferkit.heads._closed import best_scale
    from transferkit.heads.ridge import Ridge

    rows, labels = data[0][:60], data[1][:60]
    targets = np.eye(4)[labels]
    penalties = (1e-3, 0.1, 10.0)
    losses = []
    for penalty in penalties:
        held_out = np.empty((60, 4))
        middle = rows - rows.mean(axis=0)
        strength = penalty * np.trace(middle.T @ middle) / rows.shape[1]
        for number in range(60):
            used = np.arange(60) != number
            mean, level = rows[used].mean(axis=0), targets[used].mean(axis=0)
            centred = (rows[used] - mean).astype(np.float64)
            kernel = np.linalg.solve(
                centred.T @ centred + strength * np.eye(rows.shape[1]), centred.T @ (targets[used] - level)
            )
            held_out[number] = level + (rows[number] - mean) @ kernel
        losses.append(best_scale(held_out, targets, np.ones(60), False)[1])
    best = penalties[int(np.argmin(losses))]
    alone = Ridge(penalties=(best,)).fit(rows, labels, 4, 0)
    chosen = Ridge(penalties=penalties).fit(rows, labels, 4, 0)
    np.testing.assert_allclose(chosen[0], alone[0], rtol=1e-6)


@pytest.mark.parametrize("kind", ["logistic", "ridge", "prototype"])
def test_probabilities_are_honest_on_new_data(kind, data):
    rng = np.random.default_rng(1)
    rng.choice(4, size=300, p=[0.55, 0.25, 0.15, 0.05])
    middles = rng.normal(size=(4, 20))
    labels = np.random.default_rng(7).choice(4, size=2000, p=[0.55, 0.25, 0.15, 0.05])
    rows = (middles[labels] + 1.3 * np.random.default_rng(8).normal(size=(2000, 20)) + 3).astype(np.float32)
    head, layer = fitted(kind, data)
    sure = head.predictions(layer(rows))["probabilities"].numpy().max(axis=1)
    assert abs(sure.mean() - accuracy(layer, (rows, labels))) < 0.06


def test_prototype_is_the_nearest_mean(data):
    _, layer = fitted("prototype", data, normalise=False)
    means = np.stack([data[0][data[1] == number].mean(axis=0) for number in range(4)])
    nearest = np.argmin(((data[0][:, None] - means) ** 2).sum(axis=2), axis=1)
    np.testing.assert_array_equal(np.argmax(layer(data[0]), axis=1), nearest)


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
def test_balanced_weights_find_the_rare_class_more_often(kind, data):
    counts = np.bincount(data[1], minlength=4).tolist()
    rare = data[1] == 3
    recall = [
        np.mean(np.argmax(fitted(kind, data, counts, loss)[1](data[0][rare]), axis=1) == 3)
        for loss in ({"kind": "auto"}, {"kind": "auto", "class_weights": "balanced"})
    ]
    assert recall[1] > recall[0]


@pytest.mark.parametrize("kind", ["logistic", "ridge", "prototype"])
@pytest.mark.parametrize("shape", [(3, 50), (2, 5)])
def test_fewer_images_than_features_or_folds(kind, shape):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=shape).astype(np.float32)
    head = make_head({"kind": kind}, shape[1], ("a", "b"))
    layer = head.fit(rows, np.arange(shape[0]) % 2, seed=0)
    assert np.all(np.isfinite(layer(rows)))


@pytest.mark.parametrize("kind", ["logistic", "ridge", "prototype"])
def test_features_that_are_all_alike(kind):
    rows = np.ones((12, 4), np.float32)
    head = make_head({"kind": kind}, 4, ("a", "b"))
    assert np.all(np.isfinite(head.fit(rows, np.arange(12) % 2, seed=0)(rows)))


def test_a_head_of_gradient_steps_is_not_fitted(data):
    with pytest.raises(NotImplementedError):
        make_head({"kind": "linear"}, 20, CLASSES).fit(*data, seed=0)


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"kind": "multi_label", "thresholds": {"e": 0.3}}, "'e'"),
        ({"kind": "multi_label", "thresholds": [0.3]}, "expected 4"),
        ({"kind": "linaer"}, "did you mean 'linear'?"),
    ],
)
def test_heads_that_do_not_fit_the_classes(spec, part):
    with pytest.raises(UserError, match=part):
        make_head(spec, 20, CLASSES)


def test_thresholds_decide_which_labels_are_present():
    head = make_head({"kind": "multi_label", "thresholds": {"b": 0.9, "d": 0.1}}, 20, CLASSES)
    logits = np.log(np.array([[0.6, 0.6, 0.4, 0.2]]) / (1 - np.array([[0.6, 0.6, 0.4, 0.2]]))).astype(
        np.float32
    )
    assert head.predictions(logits)["present"].numpy().tolist() == [[True, False, False, True]]


@pytest.mark.parametrize("kind", ["ridge", "kernel", "random_features", "logistic", "auto"])
@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"features": []}, "empty"),
        ({"features": ["stem", "top", "stem"]}, "'stem' twice"),
        ({"pooling": ["mean", "mean"]}, "'mean' twice"),
    ],
)
def test_levels_and_poolings_are_named_once_each(kind, values, hint):
    """No levels ended in a traceback once the photos had been read."""
    with pytest.raises(ValueError, match=hint):
        head_spec({"kind": kind, **values})


@pytest.mark.parametrize("kind", ["ridge", "kernel", "random_features", "logistic"])
@pytest.mark.parametrize("penalty", [-1.0, float("nan"), float("inf")])
def test_a_penalty_is_a_number_and_not_below_zero(kind, penalty):
    with pytest.raises(ValueError, match="penalties"):
        head_spec({"kind": kind, "penalties": [0.1, penalty]})
    assert head_spec({"kind": kind, "penalties": [0.0]}).penalties == (0.0,)
