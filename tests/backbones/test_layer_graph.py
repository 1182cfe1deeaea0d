"""Where a functional model can be cut."""

from __future__ import annotations

from typing import Any

import keras
import pytest

from transferkit.backbones.layer_graph import steps


def cuttable(model: Any) -> list[str]:
    return [step.name for step in steps(model) if step.cuttable]


def dense(name: str) -> Any:
    return keras.layers.Dense(3, name=name)


def test_a_chain_is_cuttable_everywhere() -> None:
    x = keras.Input((3,), name="in")
    model = keras.Model(x, dense("b")(dense("a")(x)))
    assert cuttable(model) == ["in", "a", "b"]


def test_a_branch_is_not() -> None:
    x = keras.Input((3,), name="in")
    a = dense("a")(x)
    left, right = dense("left")(a), dense("right")(a)
    model = keras.Model(x, dense("top")(keras.layers.Add(name="add")([left, right])))
    assert cuttable(model) == ["in", "a", "add", "top"]


def test_a_shortcut_past_a_layer_counts() -> None:
    x = keras.Input((3,), name="in")
    a = dense("a")(x)
    b = dense("b")(a)
    model = keras.Model(x, keras.layers.Add(name="add")([b, x]))
    assert cuttable(model) == ["in", "add"]


def test_tensors_that_only_ever_travel_in_pairs_cannot_be_cut() -> None:
    x = keras.Input((3,), name="in")
    p = q = x
    for cell in range(3):
        p, q = keras.layers.Add(name=f"cell{cell}")([dense(f"a{cell}")(p), dense(f"b{cell}")(q)]), p
    assert cuttable(keras.Model(x, p)) == ["in", "cell2"]


def test_an_operation_with_two_outputs_is_bypassed_by_its_second() -> None:
    x = keras.Input((4,), name="in")
    first, second = keras.ops.split(x, 2, axis=-1)
    model = keras.Model(x, keras.layers.Add(name="add")([dense("a")(first), dense("b")(second)]))
    found = cuttable(model)
    assert found[0] == "in"
    assert found[-1] == "add"
    assert len(found) == 2


def test_a_layer_called_twice() -> None:
    x = keras.Input((3,), name="in")
    shared = dense("shared")
    model = keras.Model(x, shared(keras.layers.ReLU(name="relu")(shared(x))))
    order = [(step.name, step.cuttable) for step in steps(model)]
    assert order == [("in", True), ("shared", True), ("relu", True), ("shared", True)]


@pytest.mark.parametrize("other_models_first", [False, True])
def test_layers_that_serve_other_models_too(other_models_first: bool) -> None:
    x = keras.Input((3,), name="in")
    a = dense("a")
    if other_models_first:
        keras.Model(other := keras.Input((3,)), a(other))
    model = keras.Model(x, dense("b")(a(x)))
    assert cuttable(model) == ["in", "a", "b"]
