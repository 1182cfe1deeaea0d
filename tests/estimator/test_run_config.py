"""RunConfig: defaults, replacements, TF_CONFIG."""

from __future__ import annotations

import json

import pytest

from transferkit.estimator import Estimator, RunConfig


def test_defaults_are_those_of_tf_estimator():
    config = RunConfig()
    assert config.tf_random_seed is None
    assert (config.save_checkpoints_steps, config.save_checkpoints_secs) == (None, 600)
    assert (config.save_summary_steps, config.log_step_count_steps, config.keep_checkpoint_max) == (
        100,
        100,
        5,
    )
    assert (config.is_chief, config.task_type, config.task_id) == (True, "worker", 0)
    assert config.model_dir is None


def test_one_interval_takes_the_place_of_the_other():
    config = RunConfig().replace(save_checkpoints_steps=7)
    assert (config.save_checkpoints_steps, config.save_checkpoints_secs) == (7, None)
    with pytest.raises(ValueError, match="both"):
        RunConfig(save_checkpoints_steps=1, save_checkpoints_secs=1)
    with pytest.raises(ValueError, match="save_summary_steps"):
        RunConfig().replace(save_summary_step=3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"save_summary_steps": -1},
        {"keep_checkpoint_max": -1},
        {"log_step_count_steps": 0},
        {"tf_random_seed": 1.5},
        {"steps_per_loop": 0},
        {"mixed_precision": "int8"},
        {"device_fn": 3},
        {"model_dir": ""},
    ],
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RunConfig(**wrong)


def test_a_replacement_leaves_the_original_alone():
    config = RunConfig()
    assert config.replace(model_dir="/somewhere").model_dir == "/somewhere"
    assert config.model_dir is None


@pytest.mark.parametrize(
    ("task", "chief", "number"),
    [({"type": "chief", "index": 0}, True, 0), ({"type": "worker", "index": 1}, False, 2)],
)
def test_tf_config_tells_the_task(task, chief, number, monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    config = RunConfig()
    assert (config.is_chief, config.task_type, config.task_id) == (chief, task["type"], task["index"])
    assert (config.num_worker_replicas, config.num_ps_replicas, config.global_id_in_cluster) == (3, 1, number)
    assert config.cluster_spec.as_dict() == cluster


@pytest.mark.parametrize(
    "text",
    ["{", "[]", json.dumps({"cluster": {"worker": ["a:1"]}}),
     json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}),
     json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}),
     json.dumps({"cluster": {"chief": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 0}})],
)  # fmt: skip
def test_a_tf_config_that_makes_no_sense_is_refused(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG"):
        RunConfig()


def test_the_model_dir_of_config_and_estimator(tf1_model, tmp_path):
    assert Estimator(tf1_model, config=RunConfig(model_dir=str(tmp_path)), params={}).model_dir == str(
        tmp_path
    )
    with pytest.raises(ValueError, match="model_dir"):
        Estimator(tf1_model, str(tmp_path), RunConfig(model_dir="/other"), {})
