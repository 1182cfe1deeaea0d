"""A worker's place, from TF_CONFIG and from Slurm's variables."""

from __future__ import annotations

import json

import pytest

from transferkit.cluster.place import Place, read_place, take_from_slurm
from transferkit.errors import UserError


def told(cluster, kind, index):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_workers_are_numbered_from_the_chief_on():
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"], "evaluator": ["e:1"]}
    assert read_place(told(cluster, "chief", 0)) == Place(0, ("a:1", "b:1", "c:1"))
    assert read_place(told(cluster, "worker", "1")) == Place(2, ("a:1", "b:1", "c:1"))
    assert read_place(told({"worker": ["a:1", "b:1"]}, "worker", 0)) == Place(0, ("a:1", "b:1"))


@pytest.mark.parametrize("kind", ["ps", "evaluator"])
def test_others_have_no_place_among_the_workers(kind):
    assert read_place(told({"chief": ["a:1"], kind: ["b:1"]}, kind, 0)) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "x", '{"cluster": 3}', '{"cluster": {"worker": ["a:1"]}}'])
def test_what_names_no_cluster_gives_no_place(text):
    assert read_place({"TF_CONFIG": text}) is None


def slurm(**changes):
    made = {
        "SLURM_JOB_ID": "4711",
        "SLURM_PROCID": "2",
        "SLURM_STEP_NUM_TASKS": "3",
        "SLURM_STEP_NODELIST": "n[08-09]",
        "SLURM_STEP_TASKS_PER_NODE": "2,1",
    }
    return {**made, **changes}


def test_slurms_variables_give_every_task_one_address():
    environment = slurm()
    assert take_from_slurm(environment)
    assert read_place(environment) == Place(2, ("n08:24711", "n08:24712", "n09:24711"))


def test_slurms_variables_are_left_alone_where_tf_config_is_set_or_there_is_one_task():
    for environment in (slurm(TF_CONFIG="{}"), slurm(SLURM_STEP_NUM_TASKS="1"), {}):
        before = dict(environment)
        assert not take_from_slurm(environment)
        assert environment == before


@pytest.mark.parametrize(
    "changes",
    [
        {"SLURM_STEP_TASKS_PER_NODE": "2"},
        {"SLURM_STEP_TASKS_PER_NODE": "two"},
        {"SLURM_PROCID": "3"},
        {"SLURM_STEP_NUM_TASKS": "4"},
        {"SLURM_STEP_NODELIST": "n[a-b]"},
    ],
)
def test_slurms_variables_that_contradict_each_other_are_refused(changes):
    with pytest.raises(UserError, match="Slurm's variables of a step"):
        take_from_slurm(slurm(**changes))
