"""What steers a phase: plateaus, any metric, carried moments, bfloat16; each resumes to the same weights."""

from __future__ import annotations

import json

import numpy as np
import pytest

import transferkit
from transferkit.errors import UserError
from transferkit.find_card import load_card
from transferkit.training import phase as phases
from transferkit.training.history import History

# A dozen retrainings and more: each key's own effect has a quick test where the key is read.
pytestmark = pytest.mark.slow

BASE = [
    "data.test=0.2",
    "data.validation=0.2",
    "batch_size=16",
    "early_stopping=false",
    "export.parity=false",
    "evaluation.resamples=0",
]


def retrain(data, run, *overrides, **options):
    return transferkit.retrain(
        "retrain",
        data=data,
        run=run,
        backbone="embedded",
        quiet=True,
        overrides=[*BASE, *overrides],
        **options,
    )


def rows_of(run):
    return [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]


def middle():
    stages = list(load_card("embedded").stages)
    return stages[len(stages) // 2]


PLATEAU = [
    "epochs=5",
    "optimizer.learning_rate=0.01",
    "keep=last",
    "schedule={kind='step_on_plateau', metric='f1_macro', factor=0.1, patience=1}",
]
CARRY = (
    "phases=[{name='head', epochs=2, ema=0.9}, {name='top', epochs=2, optimizer_state='carry', "
    f"mixed_precision=true, freeze={{until='{middle()}'}}}}]"
)


class Killed(BaseException):
    """What no code of a run catches."""


def killed_at(monkeypatch, row: int, written: bool):
    """Ends the run at the row of that number, counted over phases, before or after it is on disk."""
    append = History.append
    seen = []

    def deadly(self, values):
        seen.append(values)
        if len(seen) < row:
            append(self, values)
            return
        if written:
            append(self, values)
        raise Killed

    monkeypatch.setattr(phases.History, "append", deadly)


def the_rate_steps_down_on_a_plateau(rows):
    rate, best = 0.01, rows[0]["val_f1_macro"]
    for row in rows[1:]:
        assert row["learning_rate"] == pytest.approx(rate)
        if row["val_f1_macro"] > best:
            best = row["val_f1_macro"]
        else:
            rate *= 0.1
    assert rate < 0.01, "no plateau in this run: it shows nothing"


@pytest.mark.parametrize(
    ("settings", "row", "written"),
    [
        (PLATEAU, 4, False),
        ([CARRY], 3, False),
        pytest.param([CARRY], 5, True, marks=pytest.mark.slow),
    ],
    ids=["plateau", "moments and average", "after the moments came"],
)
def test_an_interrupted_run_ends_with_the_same_weights(noise, tmp_path, monkeypatch, settings, row, written):
    """Also where the checkpoint of an epoch was written and its evaluation was not."""
    whole = retrain(noise, tmp_path / "whole", *settings)
    with monkeypatch.context() as patch:
        killed_at(patch, row, written)
        with pytest.raises(Killed):
            retrain(noise, tmp_path / "run", *settings)
    resumed = transferkit.retrain(run=tmp_path / "run", resume=True, quiet=True)
    one, other = np.load(whole.path / "weights.npz"), np.load(resumed.path / "weights.npz")
    assert all(np.array_equal(one[name], other[name]) for name in one.files)

    def timeless(run):
        return [{key: value for key, value in each.items() if key != "seconds"} for each in rows_of(run)]

    assert timeless(whole) == timeless(resumed)
    if settings is PLATEAU:
        the_rate_steps_down_on_a_plateau(timeless(whole))


@pytest.mark.slow
def test_moments_are_carried_into_the_next_phase(shapes, tmp_path):
    phases = "phases=[{name='a', epochs=1}, {name='b', epochs=1, optimizer_state='carry'}]"
    carried = retrain(shapes, tmp_path / "carried", phases)
    reset = retrain(shapes, tmp_path / "reset", phases.replace("carry", "reset"))
    one, other = rows_of(carried), rows_of(reset)
    assert [row["val_loss"] for row in one[:3]] == [row["val_loss"] for row in other[:3]]
    assert one[3]["val_loss"] != other[3]["val_loss"]


@pytest.mark.parametrize("metric", ["recall.square", pytest.param("log_loss", marks=pytest.mark.slow)])
def test_any_figure_of_an_evaluation_can_decide(shapes, tmp_path, metric):
    run = retrain(shapes, tmp_path / "run", "epochs=4", f"early_stopping={{metric='{metric}', patience=1}}")
    values = [row[f"val_{metric}"] for row in rows_of(run)]
    better = min if metric == "log_loss" else max
    figures = run.evaluate(split="val")
    if metric == "recall.square":
        reached = next(row.recall for row in figures.per_class if row.name == "square")
    else:
        reached = figures.metrics[metric]
    assert reached == pytest.approx(better(values), abs=1e-6)


def test_stopping_and_keeping_may_go_by_different_figures(shapes, tmp_path):
    run = retrain(
        shapes,
        tmp_path / "run",
        "epochs=6",
        "optimizer.learning_rate=0.3",
        "early_stopping={metric='accuracy', patience=1}",
        "keep_metric='loss'",
    )
    rows = rows_of(run)
    accuracies = [row["val_accuracy"] for row in rows]
    assert len(rows) < 7
    assert accuracies[-1] <= max(accuracies[:-1])
    best = min(row["val_loss"] for row in rows)
    assert run.evaluate(split="val").metrics["log_loss"] == pytest.approx(best, abs=1e-4)


def test_all_that_does_not_fit_data_and_backbone_is_said_at_once_and_nothing_is_written(shapes, tmp_path):
    with pytest.raises(UserError) as caught:
        retrain(
            shapes,
            tmp_path / "run",
            "freeze={until='blokc'}",
            "keep_metric='recall.triangle'",
            "loss.class_weights={squar=2.0}",
            "schedule={kind='piecewise_constant', unit='steps', boundaries=[100000], values=[1e-3, 1e-4]}",
        )
    assert len(caught.value.faults) == 4
    assert not list(tmp_path.iterdir())
