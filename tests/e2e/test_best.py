"""The recipe ``best``: a choice on the training images, and one run of what was chosen."""

from __future__ import annotations

import json

import pytest

import transferkit
from transferkit.runs.best import run_best
from transferkit.runs.best.staircase import Staircase
from transferkit.runs.folder.verify import verify_run

pytestmark = pytest.mark.slow

SETTINGS = [
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
    assert "best.json" in (place / "manifest.json").read_text()
