"""What a terminal says of an evaluation, and what it advises to improve first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from transferkit.evaluation import evaluate, evaluation_text
from transferkit.report import DataFacts, PlanFacts, PlanRow, ReportFacts, next_step


def made(table, **options):
    """An evaluation whose confusion matrix is ``table`` (rows the truth)."""
    table = np.asarray(table)
    true, said = np.nonzero(table)
    counts = table[true, said]
    labels, said = np.repeat(true, counts), np.repeat(said, counts)
    given = np.full((len(labels), len(table)), 0.02, np.float32)
    given[np.arange(len(labels)), said] = 1 - 0.02 * (len(table) - 1)
    return evaluate(labels, given, ["daisy", "rose", "tulip"][: len(table)], **{"resamples": 200, **options})


MIXED = [[40, 0, 0], [1, 37, 2], [0, 10, 30]]


def test_the_headline_has_the_interval_and_what_it_was_measured_on():
    first, second = evaluation_text.headline(made(MIXED), "test", 0.9)
    assert first.startswith("accuracy 0.892 (90 % interval 0.8")
    assert first.endswith(" on 120 test images, 3 classes")
    assert second.startswith("balanced accuracy 0.892, F1 macro 0.8")
    assert (
        evaluation_text.headline(made(MIXED, resamples=0), "")[0] == "accuracy 0.892 on 120 images, 3 classes"
    )


def test_classes_come_from_the_weakest_on_and_confusions_from_the_most_frequent():
    found = made(MIXED)
    assert [row[0] for row in evaluation_text.class_rows(found)] == ["tulip", "rose", "daisy"]
    assert evaluation_text.class_rows(found)[0] == ("tulip", 40, "0.750", "0.938", "0.833")
    # The one rose that is taken for a daisy says little beside the others.
    assert evaluation_text.confusion_rows(found) == [("tulip", "rose", 10, "25%"), ("rose", "tulip", 2, "5%")]
    assert evaluation_text.confusion_rows(made([[5, 1], [0, 5]])) == [("daisy", "rose", 1, "17%")]
    assert evaluation_text.weakest(found) == "tulip: 30 of 40 found, most often confused with rose (10)"
    assert evaluation_text.weakest(made([[5, 0], [0, 5]])) is None


def test_several_labels_have_classes_and_no_confusions():
    labels = np.array([[1, 0], [1, 1], [0, 1], [0, 1]])
    found = evaluate(
        labels, np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.1, 0.7]]), ["a", "b"], resamples=0
    )
    assert evaluation_text.headline(found, "")[0] == "all labels right 0.750 on 4 images, 2 labels"
    assert evaluation_text.confusion_rows(found) == []
    assert evaluation_text.weakest(found) == "a: 1 of 2 found"


FROZEN = PlanFacts(rows=[PlanRow("stem", "frozen", 9), PlanRow("head", "trained", 1)])
TRAIN = {"train": {"daisy": 100, "rose": 100, "tulip": 100}}
GOOD = [[40, 0, 0], [0, 40, 0], [0, 1, 39]]
RISING = [{"epoch": k, "phase": "train", "val_loss": [1, 0.4, 0.5][k], "val_accuracy": 0.9} for k in range(3)]
LONGER = [*RISING[:2], {**RISING[2], "val_loss": 0.3}]
SURE = [{**row, "accuracy": 1.0, "val_accuracy": 0.8} for row in RISING]
RARE = DataFacts("photos/", {"train": {"daisy": 90, "rose": 80, "tulip": 9}})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"copied": np.arange(120) < 3}, "take the copies out of one of the splits"),
        ({"evaluation": made([[0, 40, 0], [0, 40, 0], [0, 40, 0]])}, "nothing was learned"),
        # Five of six right, and always saying the same would have been: nobody can tell.
        ({"evaluation": made([[1, 0], [1, 4]])}, "6 images cannot tell whether anything was learned"),
        ({"evaluation": made([[0, 1], [0, 5]])}, "nothing was learned"),
        ({"plan": replace(FROZEN, discarded=["undone"])}, "lower its learning rate"),
        (
            {"data": RARE},
            "it has 9 to train",
        ),
        ({}, "look at the mistakes with tulip in the report"),
        (
            {"evaluation": made(GOOD), "history": LONGER},
            "--set epochs=4",
        ),
        (
            {
                "evaluation": made(GOOD),
                "history": SURE,
            },
            "100% of the training images are answered right, 80% of the validation images",
        ),
        ({"evaluation": made([[5, 0], [1, 5]])}, "evaluate on more images: 11 leave an interval"),
        ({"evaluation": made(np.asarray([[40, 0, 0], [1, 37, 2], [0, 3, 37]]) * 4)}, "--recipe finetune_top"),
        ({"evaluation": made([[99, 14, 0], [0, 99, 14], [14, 0, 99]]), "plan": None}, "a stronger backbone"),
        # An unfinished training comes before what it has not learned yet.
        ({"history": LONGER}, "--set epochs=4"),
        ({"evaluation": made(GOOD)}, "nothing stands out"),
    ],
)
def test_what_to_mend_first(changes, says):
    facts = ReportFacts("run", evaluation=made(MIXED), data=DataFacts("my photos/", TRAIN), plan=FROZEN,
                        history=RISING)  # fmt: skip
    step = next_step(replace(facts, **changes))
    assert says in step
    if "transferkit" in step and "photos/" in step and "data" not in changes:
        assert "'my photos/'" in step, "a path with a blank must be quoted"


def test_what_a_manifest_needs_stands_in_the_command():
    data = DataFacts("list.csv", TRAIN, options=" --set 'data.root=my photos'")
    step = next_step(ReportFacts("run", evaluation=made(MIXED), data=data, plan=FROZEN, history=RISING))
    assert "transferkit data check list.csv --set 'data.root=my photos'" in step


def test_without_an_evaluation_nothing_is_advised():
    assert next_step(ReportFacts("run")) is None
