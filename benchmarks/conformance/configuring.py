"""RunConfig and TF_CONFIG."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

from conformance.catalogue import error_of, errors_of, shows

_ASKED = (
    "task_type",
    "task_id",
    "is_chief",
    "num_worker_replicas",
    "num_ps_replicas",
    "global_id_in_cluster",
)


@contextlib.contextmanager
def _environment(content: Any) -> Iterator[None]:
    os.environ["TF_CONFIG"] = content if isinstance(content, str) else json.dumps(content)
    try:
        yield
    finally:
        del os.environ["TF_CONFIG"]


def _told(E: Any, content: Any) -> Any:
    with _environment(content):
        config = E.RunConfig()
    return [getattr(config, name) for name in _ASKED]


def _refused(E: Any, *contents: Any, **given: Any) -> list[str]:
    seen = []
    for content in contents:
        with _environment(content):
            seen.append(error_of(lambda: E.RunConfig(**given)))
    return seen


CLUSTER = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1"]}


@shows("RunConfig", "defaults")
def _(E: Any, folder: str) -> Any:
    config = E.RunConfig()
    names = (
        "model_dir",
        "tf_random_seed",
        "save_summary_steps",
        "save_checkpoints_steps",
        "save_checkpoints_secs",
        "keep_checkpoint_max",
        "keep_checkpoint_every_n_hours",
        "log_step_count_steps",
        "train_distribute",
        "eval_distribute",
        "device_fn",
        "protocol",
        "service",
        "master",
        "evaluation_master",
        "session_creation_timeout_secs",
        "experimental_max_worker_delay_secs",
        "checkpoint_save_graph_def",
        *_ASKED,
    )
    return {name: getattr(config, name) for name in names}


@shows("RunConfig", "session_config's default")
def _(E: Any, folder: str) -> Any:
    return type(E.RunConfig().session_config).__name__


@shows("RunConfig", "one interval of checkpoints takes the other's place, both at once are refused")
def _(E: Any, folder: str) -> Any:
    def both(config: Any) -> list[Any]:
        return [config.save_checkpoints_steps, config.save_checkpoints_secs]

    steps = E.RunConfig(save_checkpoints_steps=5)
    return [
        both(steps),
        both(E.RunConfig(save_checkpoints_secs=5)),
        both(steps.replace(save_checkpoints_secs=7)),
        both(steps.replace(save_checkpoints_steps=None)),
        error_of(lambda: E.RunConfig(save_checkpoints_steps=1, save_checkpoints_secs=1)),
        error_of(lambda: steps.replace(save_checkpoints_steps=1, save_checkpoints_secs=1)),
    ]


@shows("RunConfig", "replace makes a copy")
def _(E: Any, folder: str) -> Any:
    one = E.RunConfig(tf_random_seed=3)
    other = one.replace(tf_random_seed=4, model_dir="x")
    return [one.tf_random_seed, one.model_dir, other.tf_random_seed, other.model_dir]


@shows("RunConfig", "replace refuses what cannot be replaced")
def _(E: Any, folder: str) -> Any:
    config = E.RunConfig()
    names = ("task_id", "is_chief", "cluster_spec", "nothing")
    return errors_of(*(lambda name=name: config.replace(**{name: 1}) for name in names))


@shows("RunConfig", "values out of range are refused")
def _(E: Any, folder: str) -> Any:
    cases = (
        {"model_dir": ""},
        {"save_summary_steps": -1},
        {"save_checkpoints_steps": -1},
        {"save_checkpoints_secs": -1},
        {"keep_checkpoint_max": -1},
        {"keep_checkpoint_every_n_hours": 0},
        {"log_step_count_steps": 0},
        {"tf_random_seed": 1.0},
        {"tf_random_seed": None},
        {"device_fn": 1},
        {"save_checkpoints_steps": 0},
        {"log_step_count_steps": None},
    )
    return errors_of(*(lambda case=case: E.RunConfig(**case) for case in cases))


@shows("RunConfig", "its values cannot be set")
def _(E: Any, folder: str) -> Any:
    config = E.RunConfig()
    return error_of(lambda: setattr(config, "tf_random_seed", 5))


@shows("TF_CONFIG", "chief, worker, parameter server and evaluator know who they are")
def _(E: Any, folder: str) -> Any:
    tasks = (("chief", 0), ("worker", 1), ("ps", 0), ("evaluator", 0))
    return [_told(E, {"cluster": CLUSTER, "task": {"type": kind, "index": i}}) for kind, i in tasks]


@shows("TF_CONFIG", "a cluster whose chief is called master")
def _(E: Any, folder: str) -> Any:
    cluster = {"master": ["a:1"], "worker": ["b:1"]}
    return _told(E, {"cluster": cluster, "task": {"type": "master", "index": 0}})


@shows("TF_CONFIG", "a cluster of workers without a chief")
def _(E: Any, folder: str) -> Any:
    content = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    with _environment(content):
        return error_of(E.RunConfig)


@shows("TF_CONFIG", "cluster_spec and the address of the master")
def _(E: Any, folder: str) -> Any:
    with _environment({"cluster": CLUSTER, "task": {"type": "worker", "index": 1}}):
        config = E.RunConfig()
    return [config.cluster_spec.as_dict(), config.master]


@shows("TF_CONFIG", "a task without a cluster")
def _(E: Any, folder: str) -> Any:
    contents = [{"task": {"type": kind, "index": 0}} for kind in ("worker", "master", "chief", "ps")]
    return [_refused(E, *contents), _told(E, {})]


@shows("TF_CONFIG", "what makes no sense is refused")
def _(E: Any, folder: str) -> Any:
    return _refused(
        E,
        "{not json",
        {"cluster": CLUSTER},
        {"cluster": CLUSTER, "task": {"type": "worker"}},
        {"cluster": CLUSTER, "task": {"type": "worker", "index": -1}},
        {"cluster": CLUSTER, "task": {"type": "worker", "index": 2}},
        {"cluster": CLUSTER, "task": {"type": "other", "index": 0}},
        {"cluster": {**CLUSTER, "chief": ["a:1", "a:2"]}, "task": {"type": "chief", "index": 0}},
    )


@shows("TF_CONFIG", "model_dir and service")
def _(E: Any, folder: str) -> Any:
    with _environment({"model_dir": "there", "service": {"a": 1}}):
        config = E.RunConfig()
    wrong = _refused(E, {"model_dir": "there"}, model_dir="here")
    return [config.model_dir, config.service, wrong, _refused(E, {"model_dir": ""})]
