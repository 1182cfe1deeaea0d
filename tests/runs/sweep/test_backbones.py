"""A sweep over backbones: a short form of values, and what is not at hand is left out."""

from __future__ import annotations

import pytest

from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.recipe.sweep import trials
from transferkit.runs.sweep.run_sweep import _check_at_hand


def test_backbones_are_values():
    recipe = load("auto", [("sweep.backbones", ["embedded", "resnet152"])])
    assert trials(recipe) == [[("backbone.name", "embedded")], [("backbone.name", "resnet152")]]
    again = load("auto", [("sweep", recipe.values()["sweep"])])
    assert trials(again) == trials(recipe)


def test_what_is_not_at_hand_is_left_out():
    recipe = load("auto", [("sweep.backbones", ["embedded", "resnet152"])])
    _check_at_hand(recipe, "embedded")
    with pytest.raises(UserError, match="resnet152"):
        _check_at_hand(recipe, "resnet152")
