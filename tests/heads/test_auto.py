"""The head that the training images choose: what it chooses, and what it must not believe."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transferkit.heads import Known, _search, make_head
from transferkit.heads._folds import fold_numbers

LEVELS = {"low": 20, "middle": 10, "high": 10, "top": 30}


def alone(count: int) -> np.ndarray:
    return np.arange(count)


def fit(rows, labels, classes=3, groups=None, levels=LEVELS, **more):
    names = [str(number) for number in range(classes)]
    head = make_head({"kind": "auto", **more}, rows.shape[1], names)
    layer = head.fit(rows, labels, 0, Known(alone(len(rows)) if groups is None else groups, levels, 60.0))
    return head, layer


def columns(head) -> np.ndarray:
    ends = np.cumsum(list(LEVELS.values()))
    ranges = {name: np.arange(end - LEVELS[name], end) for name, end in zip(LEVELS, ends, strict=True)}
    read = head.found.levels or tuple(LEVELS)
    return np.concatenate([ranges[name] for name in LEVELS if name in read])


@pytest.fixture(scope="module")
def signal_below():
    """150 images whose classes show in the lowest level alone."""
    rng = np.random.default_rng(0)
    labels = np.arange(150) % 3
    rows = rng.normal(size=(150, 70)).astype(np.float32)
    rows[:, :20] += 2 * rng.normal(size=(3, 20))[labels]
    return rows, labels


def test_it_finds_the_level_that_tells(signal_below):
    rows, labels = signal_below
    head, layer = fit(rows[:110], labels[:110])
    facts = head.found.facts
    assert "low" in (head.found.levels or LEVELS)
    right = np.mean(np.argmax(layer(rows[110:][:, columns(head)]), axis=1) == labels[110:])
    assert right > 0.9
    assert facts["accuracy_low"] <= right + 0.05
    by_features = {one["features"]: one["accuracy"] for one in reversed(facts["candidates"])}
    assert by_features["all"] > by_features["last"] + 0.3
    assert sum(one["chosen"] for one in facts["candidates"]) == len(facts["members"]) <= 3


def test_levels_that_say_nothing_are_left_out():
    rng = np.random.default_rng(1)
    labels = np.arange(240) % 3
    rows = rng.normal(size=(240, 70)).astype(np.float32)
    rows[:, 40:] += 0.9 * rng.normal(size=(3, 30))[labels]
    head, layer = fit(rows, labels)
    best = head.found.facts["candidates"][0]
    assert best["features"] == "last"
    assert layer.input_shape[-1] == len(columns(head))


def test_noise_does_not_look_good():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(150, 70)).astype(np.float32)
    head, _ = fit(rows, rng.integers(0, 3, 150))
    facts = head.found.facts
    assert facts["accuracy_low"] <= 1 / 3 <= facts["accuracy_high"]
    assert facts["log_loss"] > np.log(3) - 0.05


def test_copies_of_noise_do_not_look_good_either():
    rng = np.random.default_rng(3)
    rows = np.repeat(rng.normal(size=(100, 70)), 2, axis=0).astype(np.float32)
    labels = np.repeat(rng.integers(0, 3, 100), 2)
    head, _ = fit(rows, labels, groups=np.repeat(np.arange(100), 2))
    facts = head.found.facts
    assert facts["accuracy_low"] <= 1 / 3 <= facts["accuracy_high"]
    assert facts["groups"] == 100
    fooled, _ = fit(rows, labels)
    assert fooled.found.facts["accuracy"] > 0.8  # what the folds by content are for


def test_it_ends_in_time_and_says_what_was_left(signal_below):
    head, layer = fit(*signal_below, budget=1e-3)
    facts = head.found.facts
    assert len(facts["candidates"]) == 1
    assert facts["not_tried"] > 5
    assert np.isfinite(layer(signal_below[0][:, columns(head)])).all()


def test_what_is_no_better_than_chance_leaves_the_linear_head():
    rng = np.random.default_rng(4)
    labels = np.arange(200) % 2
    rows = rng.normal(size=(200, 70)).astype(np.float32)
    rows[:, 40] += 2 * labels  # one straight border in the last level: nothing can do better than a line
    head, _ = fit(rows, labels, 2)
    assert head.found.facts["members"] == ["logistic regression, last"]
    assert len(head.found.facts["candidates"]) > 5


def test_the_linear_head_is_the_first_to_be_tried(signal_below):
    head, _ = fit(*signal_below, budget=1e-3)
    assert head.found.facts["members"] == ["logistic regression, last"]


def test_a_limit_that_nobody_gave_counts_work_and_not_waiting(monkeypatch):
    wall, work = iter([0.0, 9.0, 30.0]), iter([0.0, 5.0, 5.0])
    monkeypatch.setattr(_search.time, "monotonic", lambda: next(wall))
    monkeypatch.setattr(_search.time, "process_time", lambda: next(work))
    clock = _search.Clock(None, 60.0)
    assert [clock.spent(), clock.spent()] == [5.0, 15.0]


def test_several_labels(signal_below):
    rows, labels = signal_below
    several = np.eye(3, dtype=np.float32)[labels]
    several[:, 2] = several[:, 0]
    head, layer = fit(rows[:110], several[:110], multi_label=True)
    present = head.predictions(layer(rows[110:][:, columns(head)]))["present"].numpy()
    assert np.mean(present == several[110:]) > 0.9


@settings(max_examples=12, deadline=None)
@given(st.integers(3, 24), st.integers(2, 5), st.booleans(), st.integers(0, 1000))
def test_odd_data_gives_numbers(count, classes, alike, seed):
    rng = np.random.default_rng(seed)
    rows = (np.ones((count, 9)) if alike else rng.normal(size=(count, 9))).astype(np.float32)
    labels = rng.integers(0, classes, count)
    head, layer = fit(rows, labels, classes, levels={"features": 9})
    assert np.isfinite(layer(rows).numpy()).all()
    assert np.isfinite(head.found.facts["log_loss"])


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(1, 30), st.integers(2, 6), st.integers(0, 1000))
def test_folds_divide_no_group_and_are_even(count, names, folds, seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, names, count)
    wanted = np.eye(3)[rng.integers(0, 3, count)]
    found = fold_numbers(wanted, groups, folds, seed)
    assert all(len(set(found[groups == group])) == 1 for group in np.unique(groups))
    assert set(found) == set(range(min(folds, len(np.unique(groups)))))
