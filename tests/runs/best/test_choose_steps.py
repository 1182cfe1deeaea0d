"""Which steps are tried, and which are kept."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.backbones.weights import pretrained
from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.runs.best import choose_steps as module
from transferkit.runs.best.judge import Judged
from transferkit.runs.best.staircase import Staircase
from transferkit.training.progress import Progress

COUNT = 400
NOISE = np.random.default_rng(0).normal(size=(6, COUNT))


def judged(level, number=0, computed=0, seconds=0.0):
    """What is judged to have this log loss, with noise of its own for each image."""
    losses = level + 0.2 * NOISE[number]
    right = (np.arange(COUNT) < (1 - level) * COUNT).astype(float)
    candidate = {"kind": "logistic", "features": "last", "accuracy": 0.5, "accuracy_low": 0.4,
                 "accuracy_high": 0.6, "log_loss": 0.7}  # fmt: skip
    facts = {"accuracy": right.mean(), "accuracy_low": 0.0, "accuracy_high": 1.0, "log_loss": level,
             "members": ["ridge regression, all"], "candidates": [candidate]}  # fmt: skip
    linear = (right, losses + 0.1)
    return Judged(facts, right, losses, np.arange(COUNT), linear, seconds, computed, 1.0, 1.0, None, None)


@pytest.fixture
def choose(monkeypatch):
    monkeypatch.setattr(pretrained, "at_hand", lambda: ["embedded", "other", "third"])

    def run(answers, **best):
        asked = []

        def judge(recipe, images, progress, seconds):
            section = recipe.backbone
            asked.append((section.name, section.mirror, section.join))
            answer = answers(*asked[-1])
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(module, "judge", judge)
        recipe = load("best", [("backbone.name", "embedded"), *((f"best.{k}", v) for k, v in best.items())])
        return module.choose_steps(recipe, None, Progress(quiet=True)), asked

    return run


def test_what_pays_is_kept_and_what_does_not_is_not(choose):
    def answers(name, mirror, join):
        if join:
            return judged(0.2, 3)
        if mirror:
            return judged(0.299, 2)
        return judged({"embedded": 0.4, "other": 0.3, "third": 0.5}[name], 1)

    found, asked = choose(answers)
    kept = [one.name for one in found.steps if one.kept]
    assert kept == ["linear head on embedded", "the best head", "other instead", "embedded beside"]
    assert found.values == {"backbone.name": "other", "backbone.join": ["embedded"]}
    # Each step begins with what was kept before it.
    assert asked == [("embedded", False, ()), ("other", False, ()), ("third", False, ()),
                     ("other", True, ()), ("other", False, ("embedded",))]  # fmt: skip
    mirror = next(one for one in found.steps if one.name == "mirror images")
    assert abs(mirror.gain) < 2 * mirror.error


def test_a_lower_loss_with_more_mistakes_is_not_kept(choose):
    def answers(name, mirror, join):
        made = judged(0.4, 1)
        if mirror:
            made.losses[:] -= 0.2
            made.right[:10] = 0
        return made

    found, _ = choose(answers, steps=["mirror"])
    assert found.values == {}
    assert found.steps[-1].gain > 0.1


def test_copies_count_once(choose):
    """The same noise, a hundred times over, is no better known for it."""

    def answers(name, mirror, join):
        made = judged(0.4, 1)
        made.groups[:] = np.arange(COUNT) % 4
        if mirror:
            made.losses[:] += np.array([0.3, -0.2, -0.2, -0.1])[made.groups]
        return made

    found, _ = choose(answers, steps=["mirror"])
    step = found.steps[-1]
    assert step.gain == pytest.approx(0.05)
    assert step.error > 0.05
    assert not step.kept


def test_what_there_is_no_time_for_is_said(choose):
    found, asked = choose(lambda *_: judged(0.4, 0, computed=100, seconds=50.0), budget=40)
    assert asked == [("embedded", False, ())]
    assert [one.note for one in found.steps[2:]] == ["there was no time for it; raise best.budget"] * 4
    assert "not tried" in found.steps[-1].describe()


def test_what_cannot_be_is_said_and_the_rest_goes_on(choose):
    found, asked = choose(
        lambda name, *_: UserError("its file is damaged") if name == "other" else judged(0.4),
        backbones=["other", "third", "resnet152"],
    )
    notes = {one.name: one.note for one in found.steps}
    assert notes["other instead"] == "its file is damaged"
    assert notes["resnet152 instead"] == "its weights are not on this machine"
    assert ("third", False, ()) in asked


def test_a_second_backbone_can_be_joined_unseen(choose):
    found, asked = choose(lambda *_: judged(0.4), steps=["join"])
    assert asked == [("embedded", False, ()), ("embedded", False, ("other",))]
    assert found.steps[-1].name == "other beside"


def test_weights_of_ones_own_are_not_exchanged(choose):
    recipe = load("best", [("backbone.name", "embedded"), ("backbone.weights", "random")])
    assert module._Choice(recipe, None, Progress(quiet=True)).backbones() == ["embedded"]


def test_it_is_read_as_it_was_written(choose, tmp_path):
    found, _ = choose(lambda *_: judged(0.4), steps=["mirror"])
    found.write(tmp_path)
    read = Staircase.read(tmp_path)
    assert read == found
    assert Staircase.read(tmp_path / "nowhere") is None
    (tmp_path / "best.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        Staircase.read(tmp_path)


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        (["head.kind=linear"], "'auto' with"),
        (["sweep.values={seed=[1, 2]}"], "no sweep with"),
        (["best.budget=soon"], "90s"),
    ],
)
def test_what_cannot_stand_together(overrides, part):
    with pytest.raises(UserError, match=part):
        load("best", overrides)
