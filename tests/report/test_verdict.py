"""What the report says first."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.evaluation import evaluate, gates
from transferkit.report import ReportFacts, verdict, worst_mistakes


def facts(labels, said, sure=0.9, classes=("a", "b"), **more):
    """A run on two classes that says ``said`` at the confidence ``sure``."""
    labels, said = np.array(labels), np.array(said)
    given = np.full((len(labels), len(classes)), (1 - sure) / (len(classes) - 1), np.float32)
    given[np.arange(len(labels)), said] = sure
    return ReportFacts(title="t", evaluation=evaluate(labels, given, classes), **more)


def test_without_evaluation_there_is_none():
    assert verdict(ReportFacts(title="t")) is None


@pytest.mark.parametrize(
    ("right", "level"), [(100, "good"), (90, "good"), (75, "fair"), (50, "poor"), (30, "poor")]
)
def test_levels_without_gates(right, level):
    labels = np.arange(100) % 2
    said = np.where(np.arange(100) < right, labels, 1 - labels)
    assert verdict(facts(labels, said)).level == level


def test_gates_decide():
    labels = np.arange(100) % 2
    perfect = facts(labels, labels, gates=gates.parse("log_loss=0.01"))
    assert verdict(perfect).level == "poor"
    assert "gate log_loss" in verdict(perfect).remarks[0]
    poor = facts(labels, np.zeros(100, int), gates=gates.parse("0.4"))
    assert verdict(poor).level == "good"


def test_the_sentence_holds_the_baseline():
    found = verdict(facts([0] * 75 + [1] * 25, [0] * 75 + [1] * 25))
    assert "100.0% of 100 validation images" in found.sentence
    assert "most frequent answer would reach 75.0%" in found.sentence


def test_a_weak_class_and_an_unseen_one_are_named():
    labels = np.repeat([0, 1, 2], 40)
    said = labels.copy()
    said[:20] = 1
    remarks = " ".join(verdict(facts(labels, said, classes=("a", "b", "c", "unseen"))).remarks)
    assert "weakest class is a: 50% of its 40 images" in remarks
    assert "No validation image of unseen" in remarks


def test_overconfidence_is_told_and_its_mend():
    labels = np.arange(200) % 2
    said = np.where(np.arange(200) % 10 < 6, labels, 1 - labels)
    assert "overconfident" in " ".join(verdict(facts(labels, said, sure=0.99)).remarks)
    assert "underconfident" in " ".join(verdict(facts(labels, labels, sure=0.6)).remarks)
    honest = facts(labels, np.where(np.arange(200) % 10 < 9, labels, 1 - labels), sure=0.9)
    assert "evaluation.calibrate" not in " ".join(verdict(honest).remarks)


def test_few_images_are_told():
    labels = np.arange(20) % 2
    said = np.where(np.arange(20) < 15, labels, 1 - labels)
    assert "need more images" in " ".join(verdict(facts(labels, said)).remarks)


def test_overfitting_is_told():
    labels = np.arange(100) % 2
    rising = [{"epoch": i, "val_loss": value} for i, value in enumerate([1, 0.5, 0.4, 0.5, 0.7])]
    remark = next(r for r in verdict(facts(labels, labels, history=rising)).remarks if "lowest" in r)
    assert "point 3 of 5" in remark
    falling = verdict(facts(labels, labels, history=[*rising[:3], {"epoch": 4, "val_loss": 0.41}]))
    assert not any("lowest" in r for r in falling.remarks)


def test_the_surest_mistakes_come_first():
    given = np.float32([[0.6, 0.4], [0.99, 0.01], [0.2, 0.8], [0.9, 0.1]])
    found = evaluate([1, 1, 1, 1], given, ["a", "b"])
    assert worst_mistakes(found) == [1, 3, 0]
    assert worst_mistakes(found, most=1) == [1]


def test_mistakes_of_tagged_images():
    given = np.float32([[0.9, 0.1], [0.6, 0.1], [0.4, 0.9]])
    found = evaluate([[0, 0], [0, 0], [0, 1]], given, ["a", "b"])
    assert worst_mistakes(found) == [0, 1]


def test_a_leak_comes_first_and_the_level_is_that_of_the_others():
    labels = np.arange(100) % 2
    said = np.where(np.arange(100) < 80, labels, 1 - labels)
    some = verdict(facts(labels, said, copied=np.arange(100) < 80, split="test"))
    assert some.leak.startswith("80 of 100 test images are copies of training or validation images; 0.0%")
    assert some.level == "poor"
    every = verdict(facts(labels, labels, copied=np.ones(100, bool)))
    assert every.level == "unknown"
    assert every.leak.startswith("100 of 100 validation images are copies of training images:")
    assert verdict(facts(labels, labels, copied=np.zeros(100, bool))).leak is None
    # Gates that copies alone reach are no praise.
    assert (
        verdict(facts(labels, labels, copied=np.ones(100, bool), gates=gates.parse("0.4"))).level == "unknown"
    )


def test_what_was_chosen_on_the_images_stands_beside_the_figure():
    labels = np.arange(100) % 2
    found = verdict(facts(labels, labels, chose=("the epoch", "the temperature", "the trial")))
    assert (
        "right (the validation images also chose the epoch, the temperature and the trial)" in found.sentence
    )
