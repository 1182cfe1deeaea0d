"""Where values came from, and in what recipes differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from transferkit.recipe import load
from transferkit.recipe.value_origins import Difference, diff, explain


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(
        'extends = "finetune_top"\n\n[head]\ndropout = 0.5\n\n'
        "[[phases]]\n\n[[phases]]\nfreeze = { last = 3 }\n"
    )
    return load("mine.toml", ["batch_size=8"], seed=3)


def test_each_value_has_its_origin(recipe):
    origins = {row.key: row.origin for row in explain(recipe)}
    assert origins["head.dropout"] == "mine.toml:4"
    assert origins["head.kind"].startswith("parent retrain.toml:")
    assert origins["head.l2"] == "default"
    assert origins["batch_size"] == "command line"
    assert origins["seed"] == "call"
    assert origins["phases[1].freeze.last"] == "mine.toml:9"
    assert origins["data.validation"] == "default"


def test_every_value_is_explained(recipe):
    keys = [row.key for row in explain(recipe)]
    assert len(keys) == len(set(keys))
    assert {"epochs", "optimizer.learning_rate", "schedule.kind", "tracking.every"} <= set(keys)


def test_differences():
    assert diff(load("retrain"), load("retrain", ["batch_size=8"])) == [Difference("batch_size", 32, 8)]
    assert diff(load("retrain"), load("retrain", ["name=other"])) == []
    added = diff(load("retrain"), load("retrain", ["augmentation.flip=true"]))
    assert Difference("augmentation.flip.axis", None, "horizontal") in added
