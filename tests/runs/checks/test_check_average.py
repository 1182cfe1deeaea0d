"""The second network of [average]: what is wrong with it shows before the phases train."""

from __future__ import annotations

import pytest

from transferkit import preflight
from transferkit.recipe import load
from transferkit.recipe.averaging import second_recipe
from transferkit.recipe.load import RecipeError
from transferkit.recipe.phases import DEFAULT_EPOCHS

OTHER = ("average.backbone.name", "mobilenet_v2")


def faults(*overrides, recipe="finetune_top"):
    return preflight(load(recipe, list(overrides)))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_card", "the name of a card"),
        ("keras_file:/nowhere.keras", "no such file"),
        ("saved_model:/nowhere", "no such folder"),
    ],
)
def test_a_network_that_is_not_there_is_named_at_its_key(name, said):
    (line,) = faults(("average.backbone.name", name))
    assert line.startswith("average.backbone")
    assert said in line


def test_so_is_one_that_is_joined():
    (line,) = faults(OTHER, ("average.backbone.join", ["no_such_card"]))
    assert line.startswith("average.backbone.join")
    (line,) = faults(("backbone.join", ["no_such_card"]), recipe="linear_probe")
    assert line.startswith("backbone.join")


def test_augmentation_that_would_do_nothing_or_cannot_be_is_refused():
    (line,) = faults(("average.augmentation.flip", True))
    assert line.startswith("average.views")
    assert faults(("average.augmentation.mixup", True), ("average.views", 3))


def test_a_head_that_is_fitted_at_once_is_not_averaged():
    (line,) = faults(OTHER, recipe="auto")
    assert "head.kind: received 'auto'" in line


def test_a_backbone_without_a_name_is_not_silently_another_one():
    with pytest.raises(RecipeError, match=r"average\.backbone\.name: .*'mobilenet_v2' is the first network"):
        load("finetune_top", ["backbone.name=mobilenet_v2", ("average.backbone.crops", 5)])


def test_what_the_phases_say_of_training_is_none_of_its_business():
    recipe = load("finetune_top", [OTHER, ("epochs", 60), ("phases.top.epochs", 2)])
    (phase,) = second_recipe(recipe, (64, 64)).resolved_phases
    assert (phase.freeze, phase.epochs) == ("all", DEFAULT_EPOCHS)


def test_a_sound_one_has_no_faults():
    assert not faults(OTHER)
    assert not faults(("average.head.budget", "1s"))
