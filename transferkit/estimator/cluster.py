"""Which task of which cluster this process is, as TF_CONFIG says."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from transferkit.errors import fault

__all__ = ["ClusterTask", "TaskType"]

# Type of a task to the addresses of those of this type.
_Addresses = Mapping[str, Sequence[str]]


class TaskType:
    """What a process of a cluster does."""

    MASTER = "master"
    PS = "ps"
    WORKER = "worker"
    CHIEF = "chief"
    EVALUATOR = "evaluator"


class ClusterTask:
    """The part of a RunConfig that TF_CONFIG settles; a subclass may override what it says."""

    _values: dict[str, Any]

    def _read_cluster(self) -> None:
        """Reads TF_CONFIG: the cluster's addresses and which task this process is."""
        content = _tf_config()
        self._cluster = content.get("cluster") or {}
        self._service = content.get("service")
        if self._service is not None and not isinstance(self._service, dict):
            raise TypeError(fault("TF_CONFIG.service", self._service, "an object"))
        task = content.get("task") or {}
        self._model_dir_from_cluster(content)
        self._master = content.get("session_master", "")
        self._evaluation_master = content.get("eval_session_master", "")
        if not self._cluster:
            self._be_alone(task)
            return
        self._task_type, self._task_id = _task_of(task, self._cluster)
        self._is_chief = _is_chief(self._task_type, self._task_id, self._cluster)
        if self._task_type == TaskType.EVALUATOR:
            self._be_evaluator()
        else:
            self._be_worker("session_master" in content)

    def _be_alone(self, task: Mapping[str, Any]) -> None:
        """The only process, which is the chief."""
        self._task_type, self._task_id = task.get("type") or TaskType.WORKER, int(task.get("index") or 0)
        if self._task_type != TaskType.WORKER:
            raise ValueError(fault("TF_CONFIG.task.type", task["type"], "a cluster that has such tasks"))
        if self._task_id != 0:
            raise ValueError(fault("TF_CONFIG.task.index", self._task_id, "0, as there is no cluster"))
        self._is_chief = True
        self._num_worker_replicas, self._num_ps_replicas = 1, 0
        self._global_id_in_cluster: int | None = 0

    def _be_evaluator(self) -> None:
        """A process that works alone, whatever the cluster that it watches looks like."""
        self._master, self._cluster = "", {}
        self._num_ps_replicas = self._num_worker_replicas = 0
        self._global_id_in_cluster = None

    def _be_worker(self, master_given: bool) -> None:
        """A process among others of the cluster: their numbers, its own, its addresses."""
        cluster, kind, index = self._cluster, self._task_type, self._task_id
        self._evaluation_master = ""
        self._num_ps_replicas = len(cluster.get(TaskType.PS, ()))
        self._num_worker_replicas = len(cluster.get(TaskType.WORKER, ())) + len(_chiefs(cluster))
        apart = TaskType.CHIEF, TaskType.MASTER, TaskType.PS
        order = [*apart[:2], *sorted(set(cluster) - set(apart)), TaskType.PS]
        everyone = [(k, i) for k in order for i in range(len(cluster.get(k, ())))]
        self._global_id_in_cluster = everyone.index((kind, index))
        if not master_given and len(everyone) > 1:
            self._master = f"grpc://{cluster[kind][index]}"
        if self._values.get("session_config") is None:
            self._values["session_config"] = _session_config(kind, index)

    def _model_dir_from_cluster(self, content: Mapping[str, Any]) -> None:
        given = content.get("model_dir")
        if given is not None and not given:
            raise ValueError(fault("TF_CONFIG.model_dir", given, "a folder"))
        if given is None:
            return
        if self._values["model_dir"] not in (None, given):
            raise ValueError(
                fault(
                    "TF_CONFIG.model_dir", given, f"{self._values['model_dir']!r} as in RunConfig.model_dir"
                )
            )
        self._values["model_dir"] = given

    @property
    def task_type(self) -> str:
        """One of :class:`TaskType`."""
        return self._task_type

    @property
    def task_id(self) -> int:
        """The task's number among those of its type."""
        return self._task_id

    @property
    def is_chief(self) -> bool:
        """Whether this process writes."""
        return self._is_chief

    @property
    def num_worker_replicas(self) -> int:
        """Workers in all, the chief among them."""
        return self._num_worker_replicas

    @property
    def num_ps_replicas(self) -> int:
        """Parameter servers."""
        return self._num_ps_replicas

    @property
    def global_id_in_cluster(self) -> int | None:
        """The task's number among all, None for an evaluator."""
        return self._global_id_in_cluster

    @property
    def cluster_spec(self) -> tf.train.ClusterSpec:
        """The cluster of TF_CONFIG, empty on one machine."""
        return tf.train.ClusterSpec(self._cluster)

    @property
    def master(self) -> str:
        """What TF_CONFIG says of the session; kept, as there is none to connect to."""
        result: str = self._master
        return result

    @property
    def evaluation_master(self) -> str:
        """What TF_CONFIG says of the session; kept, as there is none to connect to."""
        result: str = self._evaluation_master
        return result

    @property
    def service(self) -> Any:
        """The platform's own part of TF_CONFIG, or None."""
        return self._service


def _tf_config() -> Mapping[str, Any]:
    """The environment's TF_CONFIG, empty where there is none."""
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        content = json.loads(text)
        if not isinstance(content, Mapping):
            raise ValueError("not an object")
    except ValueError as error:
        raise ValueError(fault("TF_CONFIG", text, "a JSON object", str(error))) from None
    return content


def _task_of(task: Mapping[str, Any], cluster: _Addresses) -> tuple[str, int]:
    """This process's type and index, which must be of the cluster.

    Raises:
        ValueError: they are not.
    """
    kind = task.get("type")
    if kind is None or task.get("index") is None:
        raise ValueError(fault("TF_CONFIG.task", task, "a type and an index, as TF_CONFIG has a cluster"))
    index = int(task["index"])
    if index < 0:
        raise ValueError(fault("TF_CONFIG.task.index", index, "a number that is not negative"))
    if kind != TaskType.EVALUATOR:
        hosts = cluster.get(kind)
        if not hosts:
            raise ValueError(fault("TF_CONFIG.task.type", kind, "one of " + ", ".join(sorted(cluster))))
        if index >= len(hosts):
            raise ValueError(fault("TF_CONFIG.task.index", index, f"less than {len(hosts)} for {kind}"))
    return str(kind), index


def _is_chief(kind: str, index: int, cluster: _Addresses) -> bool:
    """Whether a task writes: the chief, or the first worker where there is none.

    Raises:
        ValueError: the cluster has more than one, or a master and an evaluator.
    """
    if TaskType.MASTER in cluster:
        if TaskType.CHIEF in cluster:
            raise ValueError(fault("TF_CONFIG.cluster", "chief and master", "one of the two"))
        if kind == TaskType.EVALUATOR:
            raise ValueError(fault("TF_CONFIG.task.type", kind, None, "a master evaluates by itself"))
    chiefs = _chiefs(cluster)
    if len(chiefs) > 1:
        raise ValueError(fault("TF_CONFIG.cluster.chief", chiefs, "one address"))
    if chiefs:
        return kind in (TaskType.CHIEF, TaskType.MASTER)
    return kind == TaskType.WORKER and index == 0


def _chiefs(cluster: _Addresses) -> Sequence[str]:
    return cluster.get(TaskType.CHIEF) or cluster.get(TaskType.MASTER) or ()


def _session_config(kind: str, index: int) -> Any:
    """The session's settings of a task in a cluster, for programs that read them; None for other tasks."""
    seen = {
        TaskType.CHIEF: ["/job:ps", "/job:chief"],
        TaskType.MASTER: ["/job:ps", "/job:master"],
        TaskType.WORKER: ["/job:ps", f"/job:worker/task:{index}"],
        TaskType.PS: ["/job:ps", "/job:worker", "/job:chief", "/job:master"],
    }.get(kind)
    if seen is None:
        return None
    config = tf.compat.v1.ConfigProto(allow_soft_placement=True, device_filters=seen)
    rewrite = config.graph_options.rewrite_options
    rewrite.meta_optimizer_iterations = rewrite.ONE
    return config
