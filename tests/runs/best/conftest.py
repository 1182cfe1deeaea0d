"""The choice of steps, on answers that a test gives."""

from __future__ import annotations

import pytest

from transferkit.backbones.weights import pretrained
from transferkit.recipe import load
from transferkit.runs.best import choice as choice_module
from transferkit.runs.best import choose_steps as module
from transferkit.training.progress import Progress

from .answers_made import Photos


@pytest.fixture
def choose(monkeypatch):
    monkeypatch.setattr(pretrained, "at_hand", lambda: ["embedded", "other", "third"])

    def run(answers, folds=None, folder=None, changed=None, **best):
        best = {"steps": ["backbones", "mirror", "join"], **best}
        asked = []

        def judge(recipe, images, progress, seconds):
            section = recipe.backbone
            asked.append((section.name, section.mirror, section.join))
            answer = answers(*asked[-1]) if recipe.activations.views == 1 else answers("views", False, ())
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(choice_module, "judge", judge)
        monkeypatch.setattr(module, "fine_tune", lambda *_: iter(folds or []))
        recipe = load("best", [("backbone.name", "embedded"), *((f"best.{k}", v) for k, v in best.items())])
        return module.choose_steps(recipe, Photos(changed), Progress(quiet=True), folder), asked

    return run
