"""The plan says before the run what the run then does."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from transferkit.cli import cli
from transferkit.errors import UserError
from transferkit.runs.plan import make_plan

RANDOM = ["backbone.name=embedded", "backbone.weights=random"]


def test_frozen_whole_the_cut_is_above_the_features():
    (plan,) = make_plan(overrides=RANDOM, measure=False)
    assert plan.plan.at is None
    assert plan.plan.backward_gflops == 0
    assert {row[1] for row in plan.rows(layers=False)} == {"frozen"}
    assert plan.kept == 4 * plan.plan.backbone.feature_width
    assert plan.below_seconds is None


def test_every_phase_has_its_own_cut_and_the_machine_is_measured():
    backbone = make_plan(overrides=RANDOM, measure=False)[0].plan.backbone
    middle = backbone.stages[len(backbone.stages) // 2].name
    phases = f'[{{name="head", freeze="all"}}, {{name="top", freeze={{until="{middle}"}}, epochs=3}}]'
    head, top = make_plan(overrides=[*RANDOM, f"phases={phases}"])
    assert (head.name, top.name) == ("head", "top")
    assert top.plan.at == backbone.resolve(middle)
    assert top.above_seconds is not None
    assert top.below_seconds > 0
    states = [row[1] for row in top.rows(layers=False)]
    assert states == sorted(states), "stages are frozen from the input up"
    assert any("once per image" in line for line in top.lines())


def test_what_is_kept_in_half_precision_is_counted_so():
    (whole,) = make_plan(overrides=[*RANDOM, "activations.dtype=float32"], measure=False)
    (half,) = make_plan(overrides=[*RANDOM, "activations.dtype=float16"], measure=False)
    assert half.kept * 2 == whole.kept


def test_a_stage_that_is_not_there_is_said_with_its_neighbours():
    with pytest.raises(UserError, match="freeze"):
        make_plan(overrides=[*RANDOM, 'freeze={until="stem_of_another"}'], measure=False)


def test_the_command_prints_a_table_and_json():
    arguments = ["plan", "--no-measure", "--set", RANDOM[0], "--set", "freeze={last=4}"]
    shown = CliRunner().invoke(cli, arguments)
    assert shown.exit_code == 0, shown.output
    assert "cut: after " in shown.output
    assert "trainable" in shown.output
    (facts,) = json.loads(CliRunner().invoke(cli, [*arguments, "--json", "--layers"]).stdout)
    assert sum(layer["trainable"] and layer["parameters"] > 0 for layer in facts["layers"]) >= 4
