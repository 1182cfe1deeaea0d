"""What holds for every shipped recipe."""

from __future__ import annotations

import re

import pytest

from transferkit.card import load_card
from transferkit.recipe import load, recipe_files
from transferkit.resources import shipped
from transferkit.schedules import Span, make_schedule

NAMES = sorted(path.stem for path in shipped("recipes").glob("*.toml"))


def test_all_are_found():
    assert len(NAMES) >= 10
    assert set(NAMES) <= set(recipe_files())


@pytest.fixture(autouse=True)
def _away_from_own_recipes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid_and_says_what_it_is_for(name):
    recipe = load(name)
    assert recipe.name == name
    assert 20 < len(recipe.description) < 100
    assert load_card(recipe.backbone.name)


@pytest.mark.parametrize("name", NAMES)
def test_its_file_opens_with_its_purpose_and_its_command(name):
    text = (shipped("recipes") / f"{name}.toml").read_text("utf-8")
    head = re.match(r"(#.*\n)+", text)
    assert head, "a comment stands on top"
    command = (
        "transferkit retrain --data" if name == "retrain" else f"transferkit retrain --recipe {name} --data"
    )
    assert command in head[0]


@pytest.mark.parametrize("name", NAMES)
def test_written_out_it_is_the_same(name, tmp_path):
    path = tmp_path / "out.toml"
    path.write_text(load(name).to_toml(), "utf-8")
    assert load(path) == load(name)


@pytest.mark.parametrize("name", NAMES)
def test_phases_after_the_first_learn_slower(name):
    """A rate that suits a fresh head ruins a pretrained backbone: the table in ``recipes/README.md``.

    Up to 1e-4 gains on all three of its data sets where the rate rises for an epoch and falls to nothing.
    """
    for phase in load(name).resolved_phases:
        if phase.freeze == "all":
            continue
        schedule = make_schedule(phase.schedule)
        span = Span(phase.optimizer.learning_rate, 100 * phase.epochs, 100)
        at = [schedule.value(step, span) for step in (0, span.steps // 2, span.steps - 1)]
        gentle = at[0] <= 1e-5 and at[2] <= 1e-5 and at[1] < span.base
        assert span.base <= (1e-4 if gentle else 1e-5)
