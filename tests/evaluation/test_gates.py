"""Gates: how they are written, refused and held."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.errors import GateError, UserError
from transferkit.evaluation import evaluate, gates
from transferkit.evaluation.gates import Gate


@pytest.fixture
def found():
    probabilities = np.float32([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    return evaluate([0, 0, 1, 1], probabilities, ["paper", "trash"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.9", [Gate("accuracy", None, 0.9)]),
        (0.9, [Gate("accuracy", None, 0.9)]),
        (1, [Gate("accuracy", None, 1.0)]),
        (None, []),
        ("", []),
        ("accuracy=0.9,recall.trash=0.7", [Gate("accuracy", None, 0.9), Gate("recall", "trash", 0.7)]),
        ("0.9, f1_macro=0.5", [Gate("accuracy", None, 0.9), Gate("f1_macro", None, 0.5)]),
        ("recall.a.b=0.5", [Gate("recall", "a.b", 0.5)]),
        ("recall.a=b=0.5", [Gate("recall", "a=b", 0.5)]),
        ("recall.a, b=0.5,f1.c=1", [Gate("recall", "a, b", 0.5), Gate("f1", "c", 1.0)]),
        ({"recall.trash": 0.7}, [Gate("recall", "trash", 0.7)]),
        ("top_3_accuracy=0.9", [Gate("top_3_accuracy", None, 0.9)]),
        ("log_loss=3", [Gate("log_loss", None, 3.0)]),
    ],
)
def test_writing(text, expected):
    assert list(gates.parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("acuracy=0.9", "did you mean 'accuracy'"),
        ("accuracy=high", "expected a number"),
        ("accuracy=90", "90 percent is 0.9"),
        ("accuracy=nan", "expected a number"),
        ("recall=0.7", "figure of the whole"),
        ("accuracy.trash=0.7", "figure of one class"),
        ("recall.trsh=0.7", "did you mean 'trash'"),
        ("accuracy", "expected a number"),
        ({"accuracy": True}, "expected a number"),
    ],
)
def test_misspelt_gates_are_refused_before_anything_runs(text, says):
    with pytest.raises(UserError, match=says) as caught:
        gates.parse(text, classes=["paper", "trash"])
    assert caught.value.exit_code == 2


def test_all_faults_at_once():
    with pytest.raises(UserError) as caught:
        gates.parse("acuracy=0.9,accuracy=7,recal.trash=1")
    assert len(caught.value.faults) == 3


def test_what_falls_short_is_said_and_ends_with_1(found):
    with pytest.raises(GateError) as caught:
        gates.check(found, gates.parse("accuracy=0.9,recall.trash=0.7,recall.paper=1,log_loss=0.1"))
    assert caught.value.exit_code == 1
    assert caught.value.faults[0] == "gate accuracy: reached 0.7500, expected at least 0.9"
    assert caught.value.faults[1] == "gate recall.trash: reached 0.5000, expected at least 0.7"
    assert caught.value.faults[2].startswith("gate log_loss: reached 0.4")
    assert len(caught.value.faults) == 3


def test_what_is_reached_passes(found):
    gates.check(found, gates.parse("accuracy=0.75,recall.paper=1.0,log_loss=0.9"))


def test_so_little_below_is_still_below_and_shows():
    found = evaluate([0] * 89_999 + [1] * 10_001, np.tile(np.float32([[1, 0]]), (100_000, 1)), ["a", "b"])
    with pytest.raises(GateError, match=r"reached 0\.89999, "):
        gates.check(found, gates.parse("0.9"))


def test_a_gate_on_what_is_not_there(found):
    with pytest.raises(UserError, match="did you mean 'trash'") as caught:
        gates.check(found, [Gate("recall", "trahs", 0.5)])
    assert caught.value.exit_code == 2
    with pytest.raises(UserError, match="top_9"):
        gates.check(found, gates.parse("top_9_accuracy=0.9"))


def test_an_undefined_figure_does_not_pass():
    found = evaluate([0, 0], np.float32([[0.9, 0.1], [0.8, 0.2]]), ["a", "b"])
    with pytest.raises(GateError, match="not defined"):
        gates.check(found, gates.parse("recall.b=0.0"))
