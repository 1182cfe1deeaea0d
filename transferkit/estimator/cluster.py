"""Which task of which cluster this process is, as TF_CONFIG says."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from transferkit.errors import fault

__all__ = ["ClusterTask", "TaskType"]


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
        text = os.environ.get("TF_CONFIG") or "{}"
        try:
            content = json.loads(text)
            if not isinstance(content, Mapping):
                raise ValueError("not an object")
        except ValueError as error:
            raise ValueError(fault("TF_CONFIG", text, "a JSON object", str(error))) from None
        self._cluster = content.get("cluster") or {}
        self._service = content.get("service")
        if self._service is not None and not isinstance(self._service, dict):
            raise TypeError(fault("TF_CONFIG.service", self._service, "an object"))
        task = content.get("task") or {}
        kind = task.get("type")
        self._model_dir_from_cluster(content)
        self._master = content.get("session_master", "")
        self._evaluation_master = content.get("eval_session_master", "")
        if not self._cluster:
            self._task_type, self._task_id = kind or TaskType.WORKER, int(task.get("index") or 0)
            if self._task_type != TaskType.WORKER:
                raise ValueError(fault("TF_CONFIG.task.type", kind, "a cluster that has such tasks"))
            if self._task_id != 0:
                raise ValueError(fault("TF_CONFIG.task.index", self._task_id, "0, as there is no cluster"))
            self._is_chief = True
            self._num_worker_replicas, self._num_ps_replicas = 1, 0
            self._global_id_in_cluster: int | None = 0
            return
        if kind is None or task.get("index") is None:
            raise ValueError(fault("TF_CONFIG.task", task, "a type and an index, as TF_CONFIG has a cluster"))
        index = int(task["index"])
        if index < 0:
            raise ValueError(fault("TF_CONFIG.task.index", index, "a number that is not negative"))
        if kind != TaskType.EVALUATOR:
            hosts = self._cluster.get(kind)
            if not hosts:
                raise ValueError(
                    fault("TF_CONFIG.task.type", kind, "one of " + ", ".join(sorted(self._cluster)))
                )
            if index >= len(hosts):
                raise ValueError(fault("TF_CONFIG.task.index", index, f"less than {len(hosts)} for {kind}"))
        self._task_type, self._task_id = kind, index
        if TaskType.MASTER in self._cluster:
            if TaskType.CHIEF in self._cluster:
                raise ValueError(fault("TF_CONFIG.cluster", "chief and master", "one of the two"))
            if kind == TaskType.EVALUATOR:
                raise ValueError(fault("TF_CONFIG.task.type", kind, None, "a master evaluates by itself"))
        chiefs = self._cluster.get(TaskType.CHIEF) or self._cluster.get(TaskType.MASTER)
        if chiefs and len(chiefs) > 1:
            raise ValueError(fault("TF_CONFIG.cluster.chief", chiefs, "one address"))
        if chiefs:
            self._is_chief = kind in (TaskType.CHIEF, TaskType.MASTER)
        else:
            self._is_chief = kind == TaskType.WORKER and index == 0
        if kind != TaskType.EVALUATOR:
            self._evaluation_master = ""
        if kind == TaskType.EVALUATOR:
            self._master, self._cluster = "", {}
            # It works alone, whatever the cluster that it watches looks like.
            self._num_ps_replicas = self._num_worker_replicas = 0
            self._global_id_in_cluster = None
            return
        self._num_ps_replicas = len(self._cluster.get(TaskType.PS, ()))
        self._num_worker_replicas = len(self._cluster.get(TaskType.WORKER, ())) + len(chiefs or ())
        apart = TaskType.CHIEF, TaskType.MASTER, TaskType.PS
        order = [*apart[:2], *sorted(set(self._cluster) - set(apart)), TaskType.PS]
        everyone = [(k, i) for k in order for i in range(len(self._cluster.get(k, ())))]
        self._global_id_in_cluster = everyone.index((kind, index))
        if "session_master" not in content and len(everyone) > 1:
            self._master = f"grpc://{self._cluster[kind][index]}"
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
