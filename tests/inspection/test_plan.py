"""The plan says before the run what the run then does."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from transferkit.cli import cli
from transferkit.errors import UserError
from transferkit.inspection.plan import make_plan

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


def test_the_speed_of_pixels_says_nothing_of_the_layers_above_them():
    (plan,) = make_plan(overrides=[*RANDOM, 'freeze="none"'])
    # The whole network is measured then: steps take longer than passing it forward once.
    assert plan.above_seconds > plan.whole_seconds > plan.below_seconds > 0


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


def test_what_augmentation_costs_is_said(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(20):
            pixels = np.random.default_rng(ord(name) * 100 + i).integers(0, 256, (9, 9, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    flip = "augmentation.flip=true"
    (through,) = make_plan(overrides=[*RANDOM, flip], data=str(tmp_path))
    assert through.through
    train, total = through.images
    text = "\n".join(through.lines())
    assert "whole network in every epoch" in text
    assert f"for {total - train} held-out images" in text
    assert "s an epoch through the whole network" in text
    (kept,) = make_plan(overrides=[*RANDOM, flip, "activations.views=5"], data=str(tmp_path), measure=False)
    assert not kept.through
    assert f"for {total + 5 * train} images and views" in "\n".join(kept.lines())
    (plain,) = make_plan(overrides=RANDOM, data=str(tmp_path), measure=False)
    assert plain.to_dict(layers=False)["whole_network_every_epoch"] is False
    assert f"for {total} images" in "\n".join(plain.lines())


def test_a_plan_shows_itself_in_a_notebook_and_dumps_no_layers():
    found = make_plan(overrides=["backbone=embedded", "freeze={last=2}"], measure=False)
    html = found._repr_html_()
    assert "phase train: freeze last 2" in html
    assert html.count("<tr>") == 1 + len(found[0].rows(layers=False))
    assert len(html) < 12_000
    strip = html[html.index('<div class="strip">') : html.index("each stage")]
    assert strip.count("<span") == len(found[0].plan.stages)
    assert 0 < strip.count('class="trains"') < len(found[0].plan.stages)
    assert "transferkit.retrain with the same arguments" in html
    assert repr(found).startswith("phase train: freeze last 2\n  cut: ")
    assert "LayerPlan(" not in repr(found)
