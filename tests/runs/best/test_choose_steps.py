"""Which steps are tried, and which are kept."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.recipe.averaging import second_recipe
from transferkit.recipe.sweep import trial_recipe
from transferkit.runs.best import choose_steps as module
from transferkit.runs.best.answers import Answers
from transferkit.runs.best.choice import Choice
from transferkit.runs.best.fine_tune import tuned_recipe
from transferkit.runs.best.staircase import Staircase
from transferkit.training.progress import Progress

from .answers_made import COUNT, NAMES, NOISE, judged, logits, tuned


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
            made.answers.losses[:] -= 0.2
            made.answers.right[:10] = 0
        return made

    found, _ = choose(answers, steps=["mirror"])
    assert found.values == {}
    assert found.steps[-1].gain > 0.1


def test_copies_count_once(choose):
    """The same noise, a hundred times over, is no better known for it."""

    def answers(name, mirror, join):
        made = judged(0.4, 1)
        made.answers.groups[:] = np.arange(COUNT) % 4
        if mirror:
            made.answers.losses[:] += np.array([0.3, -0.2, -0.2, -0.1])[made.answers.groups]
        return made

    found, _ = choose(answers, steps=["mirror"])
    step = found.steps[-1]
    assert step.gain == pytest.approx(0.05)
    assert step.error > 0.05
    assert not step.kept


def test_views_are_judged_on_the_images_that_both_have(choose):
    """A choice on views looks at fewer images; those are compared."""

    def answers(name, mirror, join):
        if name != "views":
            return judged(0.4, 1)
        made, some = judged(0.3, 2), slice(0, 100)
        fewer = Answers(NAMES[some], np.ones(100), made.answers.losses[some], np.arange(100), np.ones(100))
        return dataclasses.replace(made, answers=fewer)

    found, _ = choose(answers, steps=["views"])
    step = found.steps[-1]
    assert step.name == "3 augmented views"
    assert step.gain == pytest.approx(0.1 + 0.2 * (NOISE[1, :100] - NOISE[2, :100]).mean())
    assert step.kept
    assert found.values["activations.views"] == 3
    assert "kept beside the head: 3 augmented views" in found.sentence


def test_fine_tuning_that_pays_takes_the_place_of_the_rest(choose):
    def answers(name, mirror, join):
        return judged(0.3 if mirror else 0.4, 2)

    folds = [tuned(0.9, number, np.ones(COUNT)) for number in range(5)]
    found, _ = choose(answers, folds, steps=["mirror", "finetune"])
    step = found.steps[-1]
    assert step.name == "fine-tuning embedded"
    assert step.kept
    assert step.gain > 0.1
    assert step.accuracy == 1
    # It trains stages, which mirrored features do not let.
    assert "backbone.mirror" not in found.values
    made = trial_recipe(load("best", [("backbone.name", "embedded")]), list(found.values.items()))
    assert made.resolved_phases[0].freeze == "all"
    assert made.resolved_phases[1].freeze.fraction == 0.7
    assert made.head.kind == "linear"
    assert made.evaluation.calibrate


def test_fine_tuning_that_does_not_pay_ends_after_one_fold(choose):
    taken = []

    def folds():
        for number in range(5):
            taken.append(number)
            yield tuned(0.75, number, np.arange(COUNT) < 200)

    found, _ = choose(lambda *_: judged(0.4, 1), folds(), steps=["finetune"])
    assert taken == [0]
    assert not found.steps[-1].kept
    assert found.values == {}
    assert found.sentence == (
        "nothing that was tried after the head improved it: the model is the one of --recipe auto on embedded"
    )


def complementary(_name, _mirror, _join):
    """A head that answers the last quarter of the images wrongly, and knows how often it does."""
    made, right = judged(0.2, 1), np.arange(COUNT) < 300
    made.answers.right[:], made.answers.losses[:] = right, np.where(right, -np.log(0.75), -np.log(0.25))
    return dataclasses.replace(made, held=logits(right, 0.75)[None])


def test_networks_that_err_on_other_images_are_averaged(choose):
    """Neither is better than the other, and both together are."""
    folds = [tuned(0.75, number, np.arange(COUNT) >= 100) for number in range(5)]
    found, _ = choose(complementary, folds, steps=["finetune", "average"])
    alone, both = found.steps[-2:]
    assert not alone.kept
    assert alone.accuracy == pytest.approx(0.75)
    assert both.name == "the average of fine-tuned embedded and the best head"
    assert both.kept
    assert both.accuracy > alone.accuracy
    made = trial_recipe(load("best", [("backbone.name", "embedded")]), list(found.values.items()))
    assert made.head.kind == "linear"
    assert made.resolved_phases[1].freeze.fraction == 0.7
    assert (made.average.head.kind, made.average.backbone.name) == ("auto", "embedded")
    alone = second_recipe(made, (64, 64))
    assert (alone.head.kind, alone.average, alone.phases) == ("auto", None, ())
    assert alone.backbone.input_size == (64, 64)
    assert "kept beside the head: the average of" in found.sentence


def test_an_average_takes_the_head_that_was_kept(choose):
    def answers(name, mirror, join):
        made = complementary(name, mirror, join)
        if mirror:
            made.answers.losses[:] -= 0.1
        return made

    folds = [tuned(0.75, number, np.arange(COUNT) >= 100) for number in range(5)]
    found, _ = choose(answers, folds, steps=["mirror", "finetune", "average"])
    assert found.steps[-1].kept
    assert found.values["average"]["backbone"]["mirror"]
    assert "backbone.mirror" not in found.values


def test_an_average_with_what_only_repeats_the_head_is_not_kept(choose):
    folds = [tuned(0.75, number, np.arange(COUNT) < 300) for number in range(5)]
    found, _ = choose(complementary, folds, steps=["finetune", "average"])
    assert not found.steps[-1].kept
    assert found.values == {}


def test_several_labels_are_fine_tuned_as_such():
    recipe = load("best", [("backbone.name", "embedded"), ("head.multi_label", True)])
    made = tuned_recipe(recipe, "embedded")
    assert made.head.options["multi_label"]
    assert made.head.kind == "linear"


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
    assert module._backbones(Choice(recipe, None, Progress(quiet=True))) == ["embedded"]


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
