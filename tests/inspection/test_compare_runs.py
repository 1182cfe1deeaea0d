"""Runs side by side, from their folders alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from transferkit.cli import cli
from transferkit.errors import UserError
from transferkit.evaluation import evaluate
from transferkit.inspection.compare_runs import compare_runs
from transferkit.recipe import load

CLASSES = ("daisy", "rose", "tulip")


def write_run(folder, wrong, **recipe):
    """A finished run on 60 images, of which those in ``wrong`` are answered with the next class."""
    labels = np.arange(60) % 3
    said = np.where(np.isin(np.arange(60), wrong), (labels + 1) % 3, labels)
    given = np.eye(3, dtype=np.float32)[said]
    found = evaluate(labels, given, CLASSES, [f"{k}.png" for k in range(60)], resamples=50)
    folder.mkdir(parents=True)
    found.write_predictions(folder / "predictions.csv")
    facts = {"metrics": found.metrics, "classes": list(CLASSES), "held_out": "val"}
    (folder / "metrics.json").write_text(json.dumps(facts))
    (folder / "recipe.toml").write_text(load(**recipe).to_toml())
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    poor = write_run(root / "one" / "poor", list(range(0, 30, 3)))
    good = write_run(root / "one" / "good", [1], seed=3)
    return [poor, good, write_run(root / "two" / "good", [0, 1, 3, 6])]


def test_all_is_there_in_words_and_figures(runs):
    found = compare_runs(runs)
    assert found.names == ("one/poor", "one/good", "two/good")
    assert dict(found.main_metrics)["accuracy"] == [50 / 60, 59 / 60, 56 / 60]
    assert found.recall[0] == ("daisy", [0.5, 1.0, 0.85])
    assert found.confusions()[0] == ("daisy", "rose", [10, 0, 3])
    first, second = found.verdicts()
    assert first.startswith(
        "one/good against one/poor, on 60 common images: significant, p = 0.012: one/good"
    )
    assert "images that only one/good gets right: 10, only one/poor: 1" in first
    assert "not significant, p = 0.07" in second
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["recall"]["tulip"] == [1, 1, 1]


def test_the_command_says_it_and_scalars_only_as_json(runs):
    said = CliRunner().invoke(cli, ["compare", *map(str, runs[:2])]).output
    assert "recall of class   poor   good" in said
    assert "daisy            0.500  1.000" in said
    assert "good is better by 15.0 points" in said
    assert "seed: 3 in good, 0 in poor" in said
    assert "kappa" not in said
    told = json.loads(CliRunner().invoke(cli, ["compare", *map(str, runs[:2]), "--json"]).output)
    assert told["metrics"]["kappa"]
    assert told["against_first"][0]["only_second_right"] == 10


@pytest.mark.parametrize("given", [[], ["a"], "runs/a"])
def test_fewer_than_two_are_refused(given):
    with pytest.raises(UserError, match="two runs or more"):
        compare_runs(given)
