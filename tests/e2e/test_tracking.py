"""Trackers are given what a run measures, once each; one that is missing or fails costs no training."""

from __future__ import annotations

import importlib.util
import json
import sys
import types

import pytest
import tensorflow as tf

import transferkit
from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.runs.tracking import Trackers, check_tracking, open_trackers

pytestmark = pytest.mark.extra


class Recording:
    """What stands in for a package: notes every call by its name."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def noted(*args, **kwargs):
            self.calls.append((name, args, kwargs))
            return types.SimpleNamespace(
                info=types.SimpleNamespace(run_id="r1"), experiment_id="e1", id="w1", name=name
            )

        return noted

    def of(self, name):
        return [args for called, args, _ in self.calls if called == name]


@pytest.fixture
def fakes(monkeypatch, tmp_path):
    """Modules called mlflow and wandb that note what they are told."""
    monkeypatch.chdir(tmp_path)
    client, run = Recording(), Recording()
    run.summary, run.id = {}, "w1"
    mlflow, wandb = types.ModuleType("mlflow"), types.ModuleType("wandb")
    mlflow.MlflowClient = lambda **kwargs: client
    mlflow.__spec__ = wandb.__spec__ = types.SimpleNamespace()
    client.get_experiment_by_name = lambda name: None
    started = []

    def init(**kwargs):
        started.append(kwargs)
        return run

    wandb.init, wandb.Settings = init, lambda **kwargs: kwargs
    wandb.Artifact = lambda name, type: Recording()
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    return types.SimpleNamespace(client=client, run=run, started=started)


def scalars(folder):
    found = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


@pytest.mark.slow
def test_a_run_tells_all_its_trackers_every_evaluation(fakes, shapes, tmp_path):
    run = transferkit.retrain(
        data=shapes,
        run=tmp_path / "run",
        backbone="embedded",
        quiet=True,
        overrides=[
            "phases=[{name='a', epochs=2}, {name='b', epochs=1}]",
            "export.parity=false",
            "tracking={mlflow=true, wandb=true, project='shapes'}",
        ],
    )
    rows = [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]
    steps = [0, rows[1]["step"], rows[2]["step"], rows[2]["step"], rows[2]["step"] + rows[4]["step"]]
    wanted = [(step, pytest.approx(row["val_loss"], rel=1e-6)) for step, row in zip(steps, rows, strict=True)]
    written = scalars(run.path / "events")
    assert written["val_loss"] == wanted
    # TensorBoard shows one run, whose phases follow each other and whose figures have one name each.
    assert {path.parent for path in run.path.rglob("events.out.*")} == {run.path / "events"}
    told = [step for step, _ in written["step/loss"]]
    assert told == sorted(set(told))
    assert told[0] <= steps[1]
    assert told[-1] > steps[2]
    assert {"loss", "val_loss", "accuracy", "val_accuracy", "step/learning_rate"} <= set(written)
    assert not {"average_loss", "loss_1"} & set(written)
    logged = [call for call in fakes.client.calls if call[0] == "log_metric" and call[1][1] == "val_loss"]
    assert [(kwargs["step"], args[2]) for _, args, kwargs in logged] == wanted
    assert [args[0]["val_loss"] for args in fakes.run.of("log")] == [value for _, value in wanted]
    assert ("accuracy", run.metrics["accuracy"]) in {args[1:3] for args in fakes.client.of("log_metric")}
    assert fakes.run.summary["accuracy"] == run.metrics["accuracy"]
    kept = {args[1].rsplit("/", 1)[1] for args in fakes.client.of("log_artifact")}
    assert {"recipe.toml", "metrics.json", "report.html"} <= kept
    assert fakes.client.of("set_terminated") == [("r1",)]
    (started,) = fakes.started
    assert started["mode"] == "offline"
    assert started["project"] == "shapes"
    assert "phases" in started["config"]


def test_a_resumed_run_keeps_its_identity(fakes, tmp_path):
    recipe = load(overrides=["tracking={mlflow=true, wandb=true}"])
    for _ in range(2):
        open_trackers(recipe, tmp_path, "run", print)
    assert len(fakes.client.of("create_run")) == 1
    assert fakes.started[0]["id"] == fakes.started[1]["id"]


def test_a_package_that_is_not_there_is_one_line_before_anything_runs(monkeypatch, shapes, tmp_path):
    for name in ("mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, name)
    found = importlib.util.find_spec
    hidden = ("mlflow", "wandb")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in hidden else found(name))
    with pytest.raises(UserError) as caught:
        check_tracking(load(overrides=["tracking={mlflow=true, wandb=true}"]))
    first, second = caught.value.faults
    assert 'pip install "transferkit[mlflow]"' in first
    assert 'pip install "transferkit[wandb]"' in second


def test_a_tracker_that_fails_is_named_once_and_the_others_go_on():
    class Broken(Recording):
        def log(self, step, values):
            raise OSError("disk full")

    good, said = Recording(), []
    trackers = Trackers({"broken": Broken(), "good": good}, said.append)
    for step in range(3):
        trackers.log(step, {"loss": 1.0, "text": "x", "nan": float("nan")})
    assert said == ["tracking.broken: left out from here on: OSError: disk full"]
    assert good.of("log") == [(step, {"loss": 1.0}) for step in range(3)]


@pytest.mark.slow
def test_mlflow_itself_keeps_a_run_without_a_network(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="needs transferkit[mlflow]")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    recipe = load(overrides=["tracking={mlflow=true, project='shapes'}"])
    said = []
    (tmp_path / "metrics.json").write_text("{}")
    for step in (0, 5):
        trackers = open_trackers(recipe, tmp_path, "first", said.append)
        trackers.log(step, {"val_loss": 1.0 - step / 10})
    trackers.finish({"accuracy": 0.9, "kappa": None}, [tmp_path / "metrics.json"])
    assert said == []
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("shapes").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["accuracy"] == 0.9
    assert run.data.params["backbone.name"] == '"efficientnet_lite0"'
    assert [one.step for one in client.get_metric_history(run.info.run_id, "val_loss")] == [0, 5]
    assert [one.path for one in client.list_artifacts(run.info.run_id)] == ["metrics.json"]


@pytest.mark.slow
def test_wandb_itself_keeps_a_run_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs transferkit[wandb]")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    said = []
    (tmp_path / "metrics.json").write_text("{}")
    trackers = open_trackers(load(overrides=["tracking={wandb=true}"]), tmp_path, "first", said.append)
    trackers.log(0, {"val_loss": 1.0})
    trackers.finish({"accuracy": 0.9}, [tmp_path / "metrics.json"])
    assert said == []
    (kept,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    assert b"val_loss" in kept.read_bytes()
