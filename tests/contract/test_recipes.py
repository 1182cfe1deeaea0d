"""What holds for every shipped recipe."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from transferkit.find_card import load_card
from transferkit.recipe import load, recipe_files
from transferkit.schedules import Span, make_schedule
from transferkit.shipped_files import shipped

MEASURED = Path(__file__).parents[2] / "benchmarks" / "results" / "fine_tuning_rates.json"
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


def _highest(shape: str) -> float:
    """The highest of Adam's rates in that shape that measured no loss on any of the data sets."""
    found = json.loads(MEASURED.read_text("utf-8"))
    assert len(found) == 3
    names = [f"adam {rate}{shape}" for rate in ("1e-4", "3e-5", "1e-5", "3e-6")]
    gained = [
        float(name.split()[1].rstrip(","))
        for name in names
        if all(name in rows and rows[name]["tuned"] >= rows[name]["head"] for rows in found.values())
    ]
    return max(gained)


@pytest.mark.parametrize("name", NAMES)
def test_phases_after_the_first_learn_at_rates_that_were_measured(name):
    """A rate that suits a fresh head ruins a pretrained backbone: the table in ``recipes/README.md``."""
    for phase in load(name).resolved_phases:
        if phase.freeze == "all":
            continue
        assert phase.optimizer.name == "adam"
        schedule = make_schedule(phase.schedule)
        span = Span(phase.optimizer.learning_rate, 100 * phase.epochs, 100)
        at = [schedule.value(step, span) for step in (0, span.steps // 2, span.steps - 1)]
        gentle = at[0] <= 0.1 * span.base and at[2] <= 0.1 * span.base and at[1] < span.base
        shape = ", warm-up, cosine" if gentle else ""
        row = f"adam {span.base:.0e}{shape}".replace("e-0", "e-")
        assert all(row in rows for rows in json.loads(MEASURED.read_text("utf-8")).values())
        assert span.base <= _highest(shape)
