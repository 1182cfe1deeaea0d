"""Training with evaluations in between, and what is exported when."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import transferkit.estimator as tke


def receiver():
    return tke.build_raw_serving_input_receiver_fn({"x": np.zeros([1, 1], np.float32)})


def exports(folder):
    return sorted(path.name for path in Path(folder).iterdir() if path.name.isdigit())


def test_evaluations_at_checkpoints_and_exports(tf1_model, train_input, eval_input, tmp_path):
    config = tke.RunConfig(save_checkpoints_steps=5)
    estimator = tke.Estimator(tf1_model, str(tmp_path), config, {"learning_rate": 0.01})

    def better(best_eval_result, current_eval_result):
        return current_eval_result["mae"] < best_eval_result["mae"]

    exporters = [
        tke.FinalExporter("final", receiver()),
        tke.LatestExporter("latest", receiver(), exports_to_keep=2),
        tke.BestExporter("best", receiver(), compare_fn=better),
    ]
    spec = tke.EvalSpec(eval_input, steps=None, exporters=exporters, start_delay_secs=0, throttle_secs=0)
    metrics, exported = tke.train_and_evaluate(estimator, tke.TrainSpec(train_input, max_steps=15), spec)
    assert metrics["global_step"] == 15
    assert [bool(one) for one in exported][:2] == [True, True]
    assert len(exports(tmp_path / "export/final")) == 1
    assert len(exports(tmp_path / "export/latest")) == 2
    assert len(exports(tmp_path / "export/best")) == 3
    assert json.loads((tmp_path / "export/best/best.json").read_text())["mae"] == pytest.approx(
        float(metrics["mae"])
    )
    evaluated = {
        e.step for p in (tmp_path / "eval").iterdir() for e in tf.compat.v1.train.summary_iterator(str(p))
    }
    assert {5, 10, 15} <= evaluated
    assert estimator.trace_counts == {"train": 1, "eval": 1, "infer": 1}


def test_throttling_leaves_evaluations_out(tf1_model, train_input, eval_input, tmp_path):
    estimator = tke.Estimator(tf1_model, str(tmp_path), tke.RunConfig(save_checkpoints_steps=2), {})
    seen = []

    def input_fn():
        seen.append(1)
        return eval_input()

    tke.train_and_evaluate(
        estimator, tke.TrainSpec(train_input, max_steps=10), tke.EvalSpec(input_fn, throttle_secs=600)
    )
    # The first checkpoint after the beginning, and the end.
    assert len(seen) == 2


def test_the_best_exporter_keeps_its_best_over_restarts(tf1_model, train_input, tmp_path):
    def restarted():
        return tke.BestExporter("best", receiver())

    estimator = tke.Estimator(tf1_model, str(tmp_path), params={}).train(train_input, steps=1)
    folder, checkpoint = str(tmp_path / "best"), estimator.latest_checkpoint()
    assert restarted().export(estimator, folder, checkpoint, {"loss": 1.0}, False)
    assert restarted().export(estimator, folder, checkpoint, {"loss": 2.0}, False) is None
    assert restarted().export(estimator, folder, checkpoint, {"loss": 0.5}, False)
    with pytest.raises(ValueError, match="loss"):
        restarted().export(estimator, folder, checkpoint, {"other": 0.5}, False)


def test_specs_validate_themselves(tf1_model, train_input):
    with pytest.raises(ValueError, match="max_steps"):
        tke.TrainSpec(train_input, max_steps=0)
    with pytest.raises(TypeError, match="input_fn"):
        tke.TrainSpec(3)
    with pytest.raises(ValueError, match="throttle_secs"):
        tke.EvalSpec(train_input, throttle_secs=-1)
    with pytest.raises(TypeError, match="CheckpointSaverListener"):
        tke.TrainSpec(train_input, saving_listeners=[object()])

    class Nameless(tke.Exporter):
        name = None

        def export(self, *args):
            raise NotImplementedError

    with pytest.raises(ValueError, match="a string"):
        tke.EvalSpec(train_input, exporters=Nameless())
    with pytest.raises(ValueError, match="no other exporter"):
        tke.EvalSpec(
            train_input, exporters=[tke.FinalExporter("a", receiver()), tke.FinalExporter("a", receiver())]
        )
    with pytest.raises(TypeError, match="TrainSpec"):
        tke.train_and_evaluate(tke.Estimator(tf1_model, params={}), None, None)


def test_an_evaluator_task_evaluates_what_another_process_wrote(
    tf1_model, train_input, eval_input, tmp_path, monkeypatch
):
    trained = tke.Estimator(tf1_model, str(tmp_path), params={}).train(train_input, steps=4)
    cluster = {"chief": ["localhost:1"], "worker": ["localhost:2"]}
    task = {"cluster": cluster, "task": {"type": "evaluator", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(task))
    evaluator = tke.Estimator(tf1_model, str(tmp_path), params={})
    spec = tke.EvalSpec(eval_input, steps=None, start_delay_secs=0, throttle_secs=0)
    metrics, _ = tke.train_and_evaluate(evaluator, tke.TrainSpec(train_input, max_steps=4), spec)
    assert metrics["global_step"] == 4
    assert metrics["mae"] == trained.evaluate(eval_input)["mae"]
