"""The words of the ``freeze`` key."""

from __future__ import annotations

from typing import Any

import pytest

from transferkit.errors import UserError
from transferkit.freezing.freeze_rules import choose


def trains(freeze: Any, backbone: Any) -> list[str]:
    """Names of the layers that train and can learn."""
    choices = choose(freeze, backbone)
    return [
        layer.name
        for layer, choice in zip(backbone.layers, choices, strict=True)
        if choice.trainable and layer.learns
    ]


@pytest.mark.parametrize(
    ("freeze", "wanted"),
    [
        ("all", []),
        ("none", ["a", "b1", "c", "bn"]),
        ({"until": "a"}, ["b1", "c", "bn"]),
        ({"until": "middle"}, ["c", "bn"]),
        ({"until": "pool"}, []),
        ({"last": 1}, ["bn"]),
        ({"last": 3}, ["b1", "c", "bn"]),
        ({"fraction": 0.0}, ["a", "b1", "c", "bn"]),
        ({"fraction": 0.5}, ["c", "bn"]),
        ({"fraction": 0.7}, ["bn"]),
        ({"fraction": 1}, []),
        ([{"match": "b.*", "trainable": True}, {"match": ".*", "trainable": False}], ["b1", "bn"]),
        # The first rule that matches wins.
        ([{"match": "b1", "trainable": False}, {"match": ".*", "trainable": True}], ["a", "c", "bn"]),
    ],
)
def test_words(sketch: Any, freeze: Any, wanted: list[str]) -> None:
    assert trains(freeze, sketch) == wanted


def test_the_recipes_own_objects(sketch: Any) -> None:
    from transferkit.recipe import Phase

    assert trains(Phase(freeze={"until": "middle"}).freeze, sketch) == ["c", "bn"]
    assert trains(Phase(freeze="none").freeze, sketch) == ["a", "b1", "c", "bn"]
    rules = Phase(freeze=[{"match": "c", "trainable": True}, {"match": ".*", "trainable": False}]).freeze
    assert trains(rules, sketch) == ["c"]


def test_layers_without_weights_go_with_what_they_follow(sketch: Any) -> None:
    choices = choose([{"match": "c|bn", "trainable": False}, {"match": "a|b1", "trainable": True}], sketch)
    state = {layer.name: choice.trainable for layer, choice in zip(sketch.layers, choices, strict=True)}
    assert state == {
        "images": False,
        "a": True,
        "b1": True,
        "add": True,
        "drop": True,
        "c": False,
        "bn": False,
        "pool": False,
    }


def test_a_rule_that_matches_nothing(mobilenet: Any) -> None:
    rules = [
        {"match": "block_1[0-6]_.*", "trainable": True},
        {"match": "blok_3_add", "trainable": True},
        {"match": "conv", "trainable": True},
        {"match": ".*", "trainable": False},
    ]
    with pytest.raises(UserError) as caught:
        choose(rules, mobilenet)
    assert len(caught.value.faults) == 2
    assert caught.value.faults[0].startswith("freeze rule 2: received 'blok_3_add'")
    assert "did you mean 'block_3_add'" not in caught.value.faults[1]
    assert "freeze rule 3: received 'conv'" in caught.value.faults[1]


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("blok_.*", "a layer; did you mean 'block'? layers are called 'Conv1'"),
        (".*xyz", "a layer; layers are called 'Conv1'"),
    ],
)
def test_a_pattern_s_beginning_finds_near_names(mobilenet: Any, pattern: str, hint: str) -> None:
    rules = [{"match": pattern, "trainable": True}, {"match": ".*", "trainable": False}]
    with pytest.raises(UserError) as caught:
        choose(rules, mobilenet)
    assert hint in caught.value.faults[0]


def test_a_layer_that_no_rule_covers(mobilenet: Any) -> None:
    with pytest.raises(UserError, match=r"no rule covers layer 'Conv1' and 61 more; .*match = '\.\*'"):
        choose([{"match": "block_1[0-6]_.*", "trainable": True}], mobilenet)


@pytest.mark.parametrize(
    ("freeze", "said"),
    [
        ({"until": "blok_12"}, "freeze.until: received 'blok_12'.*did you mean 'block_12'"),
        (
            {"until": "block_2_expand"},
            "inside a branch; .*'block_1_project_BN' below and 'block_2_add' above",
        ),
        ({"last": 1000}, "at most 104, the layers that can learn"),
        ({"last": 0}, 'expected "all", "none"'),
        ({"last": True}, 'expected "all", "none"'),
        ({"fraction": 1.5}, 'expected "all", "none"'),
        ({"untill": "x"}, 'expected "all", "none"'),
        ("some", 'expected "all", "none"'),
        ([], 'expected "all", "none"'),
    ],
)
def test_faults(mobilenet: Any, freeze: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        choose(freeze, mobilenet)
