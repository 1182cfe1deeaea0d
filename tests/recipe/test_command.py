"""``transferkit recipes``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from transferkit.cli.inspection.recipes import command
from transferkit.errors import UserError
from transferkit.recipe import load


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: str) -> tuple[str, ...]:
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, UserError), result.output
    return result.exception.faults


def test_list_has_shipped_and_own_recipes():
    Path("recipes").mkdir()
    Path("recipes/mine.toml").write_text('description = "my own"\n')
    listed = {row["name"]: row for row in json.loads(run("list", "--json"))}
    assert listed["mine"]["description"] == "my own"
    assert listed["finetune_top"]["phases"] == ["head", "top"]
    assert "gradual_unfreeze       3" in run("list")


def test_show_prints_the_file_or_all_values():
    assert run("show", "linear_probe").startswith("# ")
    Path("all.toml").write_text(
        run("show", "linear_probe", "--resolved", "--set", "batch_size=8", "--set", "name=all")
    )
    assert load("./all.toml") == load("linear_probe", ["batch_size=8", "name=all"])


def test_copy_makes_a_recipe_of_ones_own():
    assert run("copy", "finetune_top").strip() == str(Path("recipes/finetune_top.toml"))
    assert load("finetune_top") == load(Path("recipes/finetune_top.toml"))
    assert "not there yet" in refused("copy", "finetune_top")[0]
    run("copy", "finetune_top", "--overwrite")
    run("copy", "linear_probe", "mine.toml")
    assert load("mine.toml").head.kind == "logistic"


def test_validate_names_every_fault_of_every_file():
    Path("one.toml").write_text('batch_sice = 1\nseed = "x"\n')
    Path("two.toml").write_text("epochs = 0\n")
    lines = refused("validate", "one.toml", "retrain", "two.toml")
    assert [line.split(": ")[0] for line in lines] == ["one.toml:1", "one.toml:2", "two.toml:1"]
    assert run("validate", "retrain", "robust") == "retrain: valid\nrobust: valid\n"


def test_validate_knows_the_stages_of_the_backbone():
    (line,) = refused("validate", "finetune_top", "--set", "phases.top.freeze={until='blok_13'}")
    assert "did you mean 'block_13'" in line
    run("validate", "finetune_top", "--set", "phases.top.freeze={until='block_13'}")


def test_validate_says_what_a_run_would_refuse_before_it_starts():
    settings = ("backbone.name=mobilnet_v2", "evaluation.fail_under=90", "evaluation.calibrate=temprature")
    arguments = [part for one in settings[:2] for part in ("--set", one)]
    card, gate = refused("validate", "retrain", *arguments)
    assert card.startswith("--set backbone.name: received 'mobilnet_v2'")
    assert "0 to 1" in gate
    # Beside another fault the card is named as well, once.
    both = refused("validate", "retrain", *arguments, "--set", settings[2])
    assert sum("mobilnet_v2" in line for line in both) == 1
    assert any("temprature" in line for line in both)


def test_schema_is_json():
    assert json.loads(run("schema"))["title"] == "transferkit recipe"


def test_explain_says_where_values_come_from():
    rows = {
        row["key"]: row for row in json.loads(run("explain", "linear_probe", "--set", "seed=4", "--json"))
    }
    assert rows["seed"] == {"key": "seed", "value": 4, "origin": "command line"}
    assert rows["head.kind"]["origin"].startswith("linear_probe.toml:")
    assert rows["data.resize"]["origin"].startswith("parent retrain.toml:")
    assert "command line" in run("explain", "linear_probe", "--set", "seed=4")


def test_diff_shows_both_values():
    rows = {row["key"]: row for row in json.loads(run("diff", "retrain", "imbalanced", "--json"))}
    weights = {"key": "loss.class_weights", "one": "none", "other": "balanced"}
    assert rows["loss.class_weights"] == weights
    assert "batch_size" not in rows
    assert "loss.class_weights" in run("diff", "retrain", "imbalanced")
    assert run("diff", "retrain", "retrain") == "no difference\n"
