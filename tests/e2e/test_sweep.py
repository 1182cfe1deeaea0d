"""A sweep shares data, backbone and activations, goes on where it stopped, and its best trial is the run."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

import transferkit
from transferkit.errors import UserError
from transferkit.runs.sweep import read_results, shared_resources
from transferkit.training.history import History

SETTINGS = [
    "data.test=0.2",
    "data.validation=0.2",
    "batch_size=16",
    "epochs=2",
    "early_stopping=false",
    "export.parity=false",
    "evaluation.resamples=0",
    "sweep.metric=log_loss",
    "sweep.values={'optimizer.learning_rate'=[1e-5, 3e-3, 1e-4]}",
]


def sweep(data, run, **options):
    return transferkit.retrain(
        "retrain", data=data, run=run, backbone="embedded", quiet=True, overrides=SETTINGS, **options
    )


@pytest.fixture(scope="module")
def counted():
    """How often the shared parts were made during the sweep."""
    return {"prepare": 0, "open_parts": [], "computed": []}


@pytest.fixture(scope="module")
def whole(shapes, tmp_path_factory, counted):
    from transferkit.runs import retrain
    from transferkit.training import pass_images as batches

    with pytest.MonkeyPatch.context() as patch:
        prepare, open_parts, compute = retrain.prepare, shared_resources.open_parts, batches.compute

        def prepared(*args):
            counted["prepare"] += 1
            return prepare(*args)

        def opened(*args, **kwargs):
            counted["open_parts"].append(kwargs.get("backbone") is not None)
            return open_parts(*args, **kwargs)

        def computed(*args, **kwargs):
            done = compute(*args, **kwargs)
            counted["computed"].append(done.stats.computed)
            return done

        patch.setenv("TRANSFERKIT_CACHE", str(tmp_path_factory.mktemp("empty")))
        patch.setattr(retrain, "prepare", prepared)
        patch.setattr(shared_resources, "prepare", prepared)
        patch.setattr(shared_resources, "open_parts", opened)
        patch.setattr(batches, "compute", computed)
        return sweep(shapes, tmp_path_factory.mktemp("sweep") / "run")


def same_weights(one, other) -> bool:
    first, second = np.load(one / "weights.npz"), np.load(other / "weights.npz")
    return first.files == second.files and all(
        np.array_equal(first[name], second[name]) for name in first.files
    )


def test_the_best_trial_by_the_validation_images_is_the_run(whole):
    results = read_results(whole.path)
    scores = {one.number: one.score for one in results.trials}
    assert results.best.number == min(scores, key=scores.get) == 2
    assert whole.recipe.optimizer.learning_rate == 3e-3
    assert whole.recipe.sweep is None
    assert transferkit.recipe.load(whole.path / "best.toml") == whole.recipe
    assert whole.evaluate(split="val").metrics["log_loss"] == pytest.approx(scores[2], abs=1e-5)
    assert whole.summary["held_out"] == "test"


def test_the_table_has_every_trial_best_first(whole):
    with open(whole.path / "sweep.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == [2, 3, 1]
    assert [float(row["optimizer.learning_rate"]) for row in rows] == [3e-3, 1e-4, 1e-5]
    assert all(float(row["log_loss"]) > 0 and row["error"] == "" for row in rows)
    assert json.loads((whole.path / "sweep.json").read_text())["best"] == 2


def test_a_trial_keeps_recipe_history_and_figures_and_no_checkpoints(whole):
    for number in (1, 2, 3):
        kept = {path.name for path in (whole.path / "trials" / f"{number:03d}").iterdir()}
        assert {"recipe.toml", "history.jsonl", "metrics.json", "trial.json"} <= kept
        assert "phases" not in kept
    assert (whole.path / "phases" / "1-train" / "best.npz").exists()


def test_data_backbone_and_activations_are_made_once(whole, counted):
    assert counted["prepare"] == 1
    assert counted["open_parts"] == [False, True, True, True]
    assert counted["computed"][0] > 0
    assert not any(counted["computed"][1:])


@pytest.mark.slow
def test_the_best_recipe_alone_gives_the_same_weights(whole, tmp_path):
    alone = transferkit.retrain(whole.path / "best.toml", run=tmp_path / "alone", quiet=True)
    assert same_weights(alone.path, whole.path)


@pytest.mark.slow
def test_a_killed_sweep_repeats_no_finished_trial_and_ends_the_same(shapes, whole, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    append, rows = History.append, []

    def deadly(self, row):
        append(self, row)
        rows.append(row)
        if len(rows) == 5:  # in the midst of the second trial
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(History, "append", deadly)
        with pytest.raises(Killed):
            sweep(shapes, tmp_path / "run")
    first = tmp_path / ".run.partial" / "trials" / "001" / "trial.json"
    before = first.read_bytes()
    assert not (tmp_path / ".run.partial" / "trials" / "002" / "trial.json").exists()
    resumed = transferkit.retrain(run=tmp_path / "run", resume=True, quiet=True)
    assert (resumed.path / "trials" / "001" / "trial.json").read_bytes() == before
    assert same_weights(resumed.path, whole.path)
    one, other = read_results(resumed.path), read_results(whole.path)
    assert [(trial.number, trial.score) for trial in one.ordered] == [
        (trial.number, trial.score) for trial in other.ordered
    ]


@pytest.mark.slow
def test_a_trial_that_cannot_be_run_is_named_and_the_others_are(shapes, tmp_path):
    run = transferkit.retrain(
        data=shapes,
        run=tmp_path / "run",
        backbone="embedded",
        quiet=True,
        overrides=["epochs=1", "export.parity=false", "sweep.values={freeze=['all', {until='nowhere'}]}"],
    )
    results = read_results(run.path)
    assert results.best.number == 1
    assert "nowhere" in results.trials[1].error


def test_where_no_trial_can_be_run_nothing_is_left(shapes, tmp_path):
    with pytest.raises(UserError, match="at least one trial that can be run") as caught:
        transferkit.retrain(
            data=shapes,
            run=tmp_path / "run",
            backbone="embedded",
            quiet=True,
            overrides=["freeze={until='nowhere'}", "sweep.values={epochs=[1, 2]}"],
        )
    assert len(caught.value.faults) == 2
    assert not list(tmp_path.iterdir())


def test_formats_that_cannot_be_written_are_refused_before_a_trial_trains(shapes, tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.__call__ = tf.function(
        lambda images: tf.reduce_mean(tf.cast(images, tf.float32), [1, 2]),
        input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.uint8)],
    )
    tf.saved_model.save(module, str(tmp_path / "module"))
    recipe = tmp_path / "sweep.toml"
    recipe.write_text('extends = "retrain"\nepochs = 2\n[sweep.values]\n"head.dropout" = [0.0, 0.5]\n')
    with pytest.raises(UserError, match="a backbone whose layers Keras knows"):
        transferkit.retrain(
            recipe,
            data=shapes,
            run=tmp_path / "run",
            backbone=f"saved_model:{tmp_path / 'module'}",
            overrides=['export.formats=["keras"]'],
            quiet=True,
            allow_code=True,
        )
    assert not list(tmp_path.rglob("history.jsonl")), "nothing was trained"
    assert not (tmp_path / ".run.partial").exists(), "and nothing is left"
