"""Keys that say how photos are read which a run has not seen."""

from __future__ import annotations

import pytest

from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.runs.finished.other_data import reading


def test_manifest_and_limits_are_said_anew_and_all_else_stays():
    recipe = load(overrides=["data.root=a", "data.resize=crop", "data.max_missing=0.2", "head.kind=ridge"])
    found, own = reading(recipe, ["data.columns={path='id', label='breed'}", "data.max_unreadable=0.5"])
    assert own
    assert dict(found.data.columns) == {"path": "id", "label": "breed"}
    assert (found.data.root, found.data.resize, found.data.max_missing) == ("a", "crop", 0.2)
    assert found.data.max_unreadable == 0.5
    assert found.head == recipe.head
    assert reading(recipe, [("data.columns.path", "id")])[0].data.columns == {"path": "id"}
    assert reading(recipe, [("data.max_pixels", 10)])[1] is False
    assert reading(recipe, ()) == (recipe, False)


def test_what_decides_pixels_or_answers_is_refused_all_at_once():
    with pytest.raises(UserError) as error:
        reading(load(), ["data.exif=ignore", "head.kind=mlp", "data.colums={path='id'}", "data"])
    assert len(error.value.faults) == 4
    assert "did you mean 'data.columns'" in str(error.value)
    with pytest.raises(UserError, match="max_unreadable"):
        reading(load(), ["data.max_unreadable=2"])
