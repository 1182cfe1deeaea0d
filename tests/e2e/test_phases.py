"""Runs of more than a linear head: phases that open the backbone, heads in closed form, averages, rules."""

from __future__ import annotations

import itertools
import json
import shutil

import numpy as np
import pytest

import transferkit
from transferkit.files.array_file import read_arrays

BASE = ["data.test=0.2", "data.validation=0.2", "batch_size=16", "early_stopping=false"]
# A process of its own takes longer than the run; heads in closed form have it.
BASE += ["export.parity=false", "evaluation.grad_cam=0"]


def retrain(data, run, *overrides):
    return transferkit.retrain(
        "retrain", data=data, run=run, backbone="embedded", quiet=True, overrides=[*BASE, *overrides]
    )


@pytest.fixture(scope="module")
def middle():
    from transferkit.find_card import load_card

    stages = list(load_card("embedded").stages)
    return stages[len(stages) // 2]


def rows_of(run):
    return [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]


def test_head_first_then_the_top_goes_on_from_there_and_never_ends_below_its_start(shapes, tmp_path, middle):
    phases = (
        'phases=[{name="head", epochs=5}, '
        f'{{name="top", epochs=2, freeze={{until="{middle}"}}, '
        'optimizer={name="adam", learning_rate=1e-5}}]'
    )
    run = retrain(shapes, tmp_path / "run", phases)
    rows = rows_of(run)
    head = [row for row in rows if row["phase"] == "head"]
    top = [row for row in rows if row["phase"] == "top"]
    assert [row["epoch"] for row in head] == [0, 1, 2, 3, 4, 5]
    best = min(row["val_loss"] for row in head)
    # The second phase starts where the first one's best state left off, computed through another cut.
    assert top[0]["val_loss"] == pytest.approx(best, abs=1e-4)
    assert min(row["val_loss"] for row in top) <= top[0]["val_loss"]
    frozen = run.summary["frozen"]
    assert 0 < int(frozen.split()[1]) < 75
    figures = run.evaluate().metrics
    assert figures["log_loss"] == pytest.approx(run.metrics["log_loss"], abs=1e-5)


@pytest.mark.slow
def test_a_careless_rate_is_undone_by_the_state_before_it(shapes, tmp_path, middle):
    phases = (
        'phases=[{name="head", epochs=6}, '
        f'{{name="ruin", epochs=2, freeze={{until="{middle}"}}, '
        'optimizer={name="sgd", learning_rate=10.0}}]'
    )
    run = retrain(shapes, tmp_path / "run", phases)
    ruin = [row for row in rows_of(run) if row["phase"] == "ruin"]
    # Either the loss rose, or it became NaN and the phase ended at once.
    assert len(ruin) == 1 or ruin[-1]["val_loss"] > ruin[0]["val_loss"], "the rate did no harm"
    assert run.evaluate(split="val").metrics["log_loss"] == pytest.approx(ruin[0]["val_loss"], abs=1e-4)


@pytest.mark.slow
def test_a_rate_of_nought_by_rule_moves_nothing_and_others_move(shapes, tmp_path, middle):
    from transferkit.backbones import load_backbone

    names = [layer.name for layer in load_backbone("embedded").layers if layer.parameters]
    still, moving = names[-4], names[-1]
    rules = (
        f'freeze=[{{match="{still}", trainable=true, lr_multiplier=0.0}}, '
        f'{{match="{moving}", trainable=true}}, {{match=".*", trainable=false}}]'
    )
    run = retrain(shapes, tmp_path / "run", rules, "epochs=1", "keep=last", "optimizer.learning_rate=0.01")
    before = {one.path: np.asarray(one) for one in load_backbone("embedded").variables}
    after = {name.split(":", 1)[1]: value for name, value in np.load(run.path / "weights.npz").items()}
    moved = {path.split("/")[0] for path in before if not np.array_equal(before[path], after[path])}
    assert moved == {moving}


@pytest.mark.parametrize("kind", ["logistic", "ridge", "prototype"])
def test_heads_in_closed_form_need_no_epochs_and_export_the_same_way(shapes, tmp_path, kind):
    run = retrain(shapes, tmp_path / "run", f"head.kind={kind}", "export.parity=true")
    assert run.metrics["accuracy"] >= 0.6
    assert run.summary["epochs"] == 0
    assert "the head fitted without epochs; frozen: " in run.describe()
    path = shapes / "circle" / "000.png"
    assert run.predict([path])[0].error is None
    assert run.evaluate().metrics["accuracy"] == run.metrics["accuracy"]


@pytest.mark.slow
def test_running_averages_are_what_is_kept(shapes, tmp_path):
    plain = retrain(shapes, tmp_path / "plain", "epochs=2", "keep=last")
    averaged = retrain(shapes, tmp_path / "averaged", "epochs=2", "keep=last", "ema=0.9")
    one, other = (np.load(run.path / "weights.npz") for run in (plain, averaged))
    kernels = [name for name in one.files if "logits/kernel" in name]
    assert kernels
    # Started at zero, an average over the steps is behind the weights.
    assert np.abs(other[kernels[0]]).mean() < 0.9 * np.abs(one[kernels[0]]).mean()
    assert averaged.metrics["log_loss"] == pytest.approx(averaged.evaluate().metrics["log_loss"], abs=1e-5)


@pytest.mark.slow
def test_batches_whose_gradients_are_accumulated_act_as_the_larger_batch(shapes, tmp_path):
    data = tmp_path / "data"
    for number, name in itertools.product(range(24), ("cross", "square")):
        split = "train" if number < 20 else "val"
        (data / split / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(shapes / name / f"{number:03d}.png", data / split / name)
    steady = [
        "epochs=3",
        "keep=last",
        "head.dropout=0",
        "optimizer={name='sgd', momentum=0.9, learning_rate=0.05}",
        "gradient_clipping=1.0",
    ]
    large = retrain(data, tmp_path / "large", *steady, "batch_size=10")
    small = retrain(data, tmp_path / "small", *steady, "batch_size=5", "accumulation=2")
    one, other = (read_arrays(run.path / "weights.npz") for run in (large, small))
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-5)
