"""The state that a run keeps is whole: the best epoch's weights never meet another epoch's statistics."""

from __future__ import annotations

import json

import numpy as np
import pytest

import transferkit
from transferkit.training.history import History
from transferkit.training.phases.kept_state import Kept, KeptStateError, prove

LIVE = ["batch_norm=train", "freeze=none", "batch_size=8", "early_stopping=false", "export.parity=false"]
LIVE += ["data.validation=0.3", "data.test=0.1", 'optimizer={name="adam", learning_rate=0.001}']


@pytest.fixture(scope="module")
def noisy(noise_photos):
    """Two classes that are hard to tell apart, so that epochs differ."""
    return noise_photos({"even": 110, "odd": 140}, count=20, spread=60, size=32, between=25, seed=5)


def retrain(data, run, *overrides):
    return transferkit.retrain(
        data=data, run=run, backbone="embedded", quiet=True, overrides=[*LIVE, *overrides]
    )


def kept_row(run, phase):
    kept = {one.phase: one for one in run.kept}[phase]
    rows = [row for row in run.history if row["phase"] == phase]
    return kept, next(row for row in rows if row["epoch"] == kept.epoch), rows


@pytest.fixture(scope="module")
def best(noisy, tmp_path_factory):
    return retrain(noisy, tmp_path_factory.mktemp("best") / "run", "epochs=6")


def test_the_network_gives_the_best_rows_figures_where_batch_norm_trains(best):
    kept, row, rows = kept_row(best, "train")
    assert row["val_loss"] == min(one["val_loss"] for one in rows)
    assert 0 < kept.epoch < 6
    assert row["val_loss"] < 0.9 * rows[-1]["val_loss"], "the last epoch is the best: nothing is told apart"
    figures = best.evaluate(split="val").metrics
    assert figures["log_loss"] == pytest.approx(row["val_loss"], rel=1e-4, abs=1e-6)
    assert figures["accuracy"] == pytest.approx(row["val_accuracy"])
    # The proof stands in the run.
    assert kept.again["val_loss"] == pytest.approx(kept.figures["val_loss"], rel=1e-5, abs=1e-6)
    assert f"best of 6 epochs is epoch {kept.epoch} (val_loss" in best.describe()
    # Statistics and the state of random numbers are kept with the weights.
    names = np.load(best.path / "phases" / "1-train" / "best.npz").files
    assert sum("moving_" in name for name in names) > 10


@pytest.mark.slow
def test_the_averages_are_kept_with_the_statistics_that_they_were_evaluated_with(noisy, tmp_path):
    run = retrain(noisy, tmp_path / "run", "epochs=4", "ema={momentum=0.5}")
    _, row, _ = kept_row(run, "train")
    assert run.evaluate(split="val").metrics["log_loss"] == pytest.approx(row["val_loss"], rel=1e-4, abs=1e-6)


@pytest.mark.slow
def test_keep_last_keeps_the_last_state(noisy, tmp_path):
    run = retrain(noisy, tmp_path / "run", "epochs=3", "keep=last")
    kept, row, rows = kept_row(run, "train")
    assert row is rows[-1]
    assert kept.describe() == "epoch 3, the last of 3 epochs"
    assert run.evaluate(split="val").metrics["log_loss"] == pytest.approx(row["val_loss"], rel=1e-4, abs=1e-6)


@pytest.mark.slow
def test_a_second_phase_that_helps_nothing_leaves_its_start_and_says_so(noisy, tmp_path):
    ruin = 'optimizer={name="sgd", learning_rate=1.0}'
    run = retrain(
        noisy,
        tmp_path / "run",
        f'phases=[{{name="head", epochs=3, freeze="all"}}, {{name="top", epochs=2, freeze="none", {ruin}}}]',
    )
    kept, row, rows = kept_row(run, "top")
    assert kept.epoch == 0, "the rate did no harm"
    assert rows[-1]["val_loss"] > row["val_loss"] * 1.5
    assert run.evaluate(split="val").metrics["log_loss"] == pytest.approx(row["val_loss"], rel=1e-4)
    lines = run.describe()
    assert "top: none of 2 epochs improved on the start" in lines
    assert "fine-tuning was discarded: the backbone's weights are those it began with" in lines
    weights = np.load(run.path / "weights.npz")
    from transferkit.backbones import load_backbone

    original = {one.path: np.asarray(one) for one in load_backbone("embedded").variables}
    given = {name.split(":", 1)[1]: weights[name] for name in weights.files}
    assert all(np.array_equal(given[path], value) for path, value in original.items())
    for page in (run.path / "report.html", run.export_folder / "README.md"):
        text = page.read_text("utf-8")
        assert "The training of phase top was discarded: none of its 2 epochs improved" in text
    card = (run.export_folder / "README.md").read_text("utf-8")
    # What the model is made of is said as it is: nothing of the backbone was trained.
    assert "- head (linear): trained" in card
    assert card.count(": trained,") == 1


@pytest.mark.slow
def test_every_trial_of_a_sweep_keeps_a_whole_state(noisy, tmp_path):
    run = retrain(noisy, tmp_path / "run", "epochs=3", 'sweep={metric="log_loss", values={seed=[1, 2]}}')
    _, row, _ = kept_row(run, "train")
    assert run.evaluate(split="val").metrics["log_loss"] == pytest.approx(row["val_loss"], rel=1e-4, abs=1e-6)
    for trial in ("001", "002"):
        facts = json.loads((run.path / "trials" / trial / "metrics.json").read_text())
        kept = Kept.from_dict(facts["kept"][0])
        assert facts["val"]["log_loss"] == pytest.approx(kept.figures["val_loss"], rel=1e-4, abs=1e-6)


def history(tmp_path, *losses):
    made = History(tmp_path / "history.jsonl")
    for epoch, loss in enumerate(losses):
        made.append({"epoch": epoch, "step": epoch, "val_loss": loss, "val_accuracy": 0.75})
    return made


@pytest.mark.parametrize(
    "measured",
    [
        {"average_loss": 0.5001, "accuracy": 0.75},
        {"average_loss": 0.5, "accuracy": 0.7},
        {"average_loss": float("nan"), "accuracy": 0.75},
    ],
)
def test_a_network_in_another_state_fails_the_run(tmp_path, measured):
    with pytest.raises(KeptStateError, match="not in the state of epoch 1"):
        prove("train", history(tmp_path, 0.9, 0.5, 0.6), False, measured, exact=True)


def test_rounding_and_a_network_that_diverged_pass(tmp_path):
    near = {"average_loss": 0.500001, "accuracy": 0.75}
    assert prove("train", history(tmp_path, 0.9, 0.5, 0.6), False, near, exact=True).epoch == 1
    lost = {"average_loss": float("nan"), "accuracy": 0.1}
    found = prove("train", history(tmp_path / "..", float("nan")), False, lost, exact=True)
    assert found.to_dict()["again"]["val_loss"] is None
    assert np.isnan(Kept.from_dict(found.to_dict()).again["val_loss"])
