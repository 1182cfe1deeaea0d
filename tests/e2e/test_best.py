"""The recipe ``best``: a choice on the training images, and one run of what was chosen."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

import transferkit
from transferkit.heads import each_log_loss
from transferkit.recipe import load
from transferkit.runs.best import run_best
from transferkit.runs.best.fine_tune import fine_tune, tuned_recipe, tuned_values
from transferkit.runs.best.judge import judge
from transferkit.runs.best.staircase import Staircase, Step
from transferkit.runs.folder.verify import verify_run
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress

pytestmark = pytest.mark.slow

SETTINGS = [
    ("best.steps", ["backbones", "mirror", "views"]),
    ("best.backbones", ["embedded"]),
    ("best.budget", "5m"),
    ("head.budget", "5s"),
    ("data.test", 0.3),
    ("evaluation.resamples", 0),
]


def test_an_interrupted_choice_is_taken_up_and_the_run_is_whole(shapes, tmp_path, monkeypatch):
    place = tmp_path / "best"
    options = {"data": shapes, "backbone": "embedded", "image_size": 64, "quiet": True}
    execute, asked = run_best.execute, []

    def killed(recipe, *_, **__):
        asked.append(recipe)
        raise KeyboardInterrupt

    monkeypatch.setattr(run_best, "execute", killed)
    with pytest.raises((KeyboardInterrupt, transferkit.UserError)):
        transferkit.retrain("best", run=place, overrides=SETTINGS, **options)
    partial = tmp_path / ".best.partial"
    chosen = Staircase.read(partial)
    assert [one.name for one in chosen.steps[:2]] == ["linear head on embedded", "the best head"]
    # What is kept of the choice decides; nothing is judged again.
    chosen.values["backbone.mirror"] = True
    chosen.write(partial)
    monkeypatch.setattr(run_best, "execute", execute)
    monkeypatch.setattr(run_best, "choose_steps", None)
    run = transferkit.retrain(run=place, resume=True, quiet=True)
    assert run.metrics["accuracy"] >= 0.8
    assert run.recipe.backbone.mirror
    assert run.recipe.best is None
    assert all(one["passed"] for one in json.loads((place / "parity.json").read_text())["artefacts"])
    assert not verify_run(run)
    assert run.evaluate(quiet=True).metrics["accuracy"] == pytest.approx(run.metrics["accuracy"])
    report = (place / "report.html").read_text()
    assert "How the run was chosen" in report
    assert all(one.name in report for one in chosen.steps)
    assert chosen.sentence in report
    assert "best.json" in (place / "manifest.json").read_text()


@pytest.mark.parametrize("views", [1, 2])
def test_what_is_judged_are_the_images_themselves(make_shapes, views):
    """Once each and by their names, whatever views they were learned with."""
    settings = [("backbone.input_size", 64), ("data.path", str(make_shapes(12)))]
    if views > 1:
        settings += [("activations.views", views), ("augmentation.flip", True)]
    recipe = load("auto", settings, backbone="embedded")
    images = prepare(recipe, Progress(quiet=True))
    images = images.take(images.of_split("train"))
    judged = judge(recipe, images, Progress(quiet=True), 3.0)
    answers = judged.answers
    assert sorted(answers.names) == sorted(row.name for row in images.rows)
    assert answers.right.shape == answers.losses.shape == answers.counted.shape == (len(images),)
    assert len(np.unique(answers.groups)) == len(images)
    assert answers.right.mean() > 0.6
    assert judged.held.shape[1:] == (len(images), len(images.classes))


def test_what_fine_tuning_answered_is_of_images_it_never_saw(make_shapes):
    recipe = load(
        "best", [("backbone.input_size", 64), ("data.path", str(make_shapes(20)))], backbone="embedded"
    )
    images = prepare(recipe, Progress(quiet=True))
    images = images.take(images.of_split("train"))
    deadline = time.monotonic() + 600
    folds = fine_tune(tuned_recipe(recipe, "embedded"), images, deadline, Progress(quiet=True))
    first = next(folds)
    known = {row.name for row in images.rows}
    held, validated = first.held, first.validated
    assert set(held.names) | set(validated.names) <= known
    assert not set(held.names) & set(validated.names)
    assert 0.1 < len(held.names) / len(images) < 0.3
    assert (held.logits.argmax(axis=1) == held.wanted.argmax(axis=1)).mean() > 0.6
    assert np.exp(-each_log_loss(held.logits, held.wanted, False)).mean() > 0.5
    late = fine_tune(tuned_recipe(recipe, "embedded"), images, time.monotonic(), Progress(quiet=True))
    assert list(late) == []


def test_a_choice_that_fine_tunes_is_one_run(shapes, tmp_path, monkeypatch):
    def choose_steps(recipe, images, progress, folder):
        steps = [Step("linear head on embedded", 0.8, 0.7, 0.9, 0.5, kept=True),
                 Step("the best head", 0.8, 0.7, 0.9, 0.5, 0.0, 0.0),
                 Step("fine-tuning embedded", 0.9, 0.8, 1.0, 0.4, 0.1, 0.01, kept=True)]  # fmt: skip
        return Staircase(steps, {**tuned_values(recipe), "epochs": 2}, len(images))

    monkeypatch.setattr(run_best, "choose_steps", choose_steps)
    place = tmp_path / "best"
    run = transferkit.retrain(
        "best", data=shapes, run=place, backbone="embedded", image_size=64, quiet=True, overrides=SETTINGS
    )
    assert [one.name for one in run.recipe.resolved_phases] == ["head", "top"]
    assert run.recipe.head.kind == "linear"
    assert all(one["passed"] for one in json.loads((place / "parity.json").read_text())["artefacts"])
    assert not verify_run(run)
    assert "kept beside the head: fine-tuning embedded" in (place / "report.html").read_text()
