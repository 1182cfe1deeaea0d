"""The command that a run's last line gives."""

from __future__ import annotations

import itertools
import shlex

from transferkit.recipe import load
from transferkit.runs.results.suggest_head import command_with_auto


def test_the_command_reads_and_splits_the_same_images():
    """Else it was refused for a manifest with columns of its own or several labels an image, or it compared
    on another split."""
    settings = [
        ("data.path", "my photos/labels.csv"),
        ("data.columns", {"path": "id", "labels": "breed"}),
        ("data.validation", 0.2),
        ("backbone.input_size", 160),
        ("seed", 3),
    ]
    recipe = load(overrides=settings)
    words = shlex.split(command_with_auto(recipe, several_labels=True))
    assert words[:4] == ["transferkit", "retrain", "--recipe", "auto"]
    given = dict(itertools.pairwise(words))
    asked = [value for name, value in itertools.pairwise(words) if name == "--set"]
    auto = load("auto", [("data.path", given["--data"]), *asked], backbone=given["--backbone"])
    assert (auto.data, auto.backbone, auto.seed) == (recipe.data, recipe.backbone, 3)
    assert auto.head.options["multi_label"] is True


def test_what_is_usual_is_not_said():
    recipe = load(overrides=["data.path=photos"], backbone="embedded")
    command = "transferkit retrain --recipe auto --backbone embedded --data photos"
    assert command_with_auto(recipe, several_labels=False) == command
