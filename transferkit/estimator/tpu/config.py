"""The settings of a TPUEstimator: ``TPUConfig``, and the ``RunConfig`` that carries one."""

from __future__ import annotations

import numbers
import re
from typing import Any, NamedTuple

from transferkit.errors import fault
from transferkit.estimator.cluster import TaskType
from transferkit.estimator.run_config import RunConfig as _RunConfig

__all__ = ["InputPipelineConfig", "RunConfig", "TPUConfig", "check_positive", "steps_per_loop"]

_PARTS = (1, 2, 4, 8, 16, 32, 64, 128)
_LOOP = re.compile(r"([1-9]\d*)([smh]?)")


class InputPipelineConfig:
    """How input_fn was called under a TPU; here it gives one replica's batch whatever is chosen."""

    PER_SHARD_V1 = 1
    PER_HOST_V1 = 2
    PER_HOST_V2 = 3
    BROADCAST = 4
    SLICED = 5


class _Fields(NamedTuple):
    iterations_per_loop: int | str
    num_shards: int | None
    num_cores_per_replica: int | None
    per_host_input_for_training: int
    tpu_job_name: str | None
    initial_infeed_sleep_secs: int | None
    input_partition_dims: Any
    eval_training_input_configuration: int
    experimental_host_call_every_n_steps: int
    experimental_allow_per_host_v2_parallel_get_next: bool
    experimental_feed_hook: Any


class TPUConfig(_Fields):
    """Settings of a run on a TPU; beside ``iterations_per_loop`` they are checked and kept, no more.

    Args:
        iterations_per_loop: training steps run inside the graph between two looks of Python, where
            ``use_tpu=True``; a time such as ``30s``, ``5m`` or ``1h`` leaves the choice to the Estimator.
        num_shards: how many replicas there are; must agree with the strategy where it is given.
        num_cores_per_replica: 1, or None; models over several cores are not supported.
        per_host_input_for_training: one of :class:`InputPipelineConfig`, or a bool.
        tpu_job_name: kept.
        initial_infeed_sleep_secs: kept.
        input_partition_dims: kept.
        eval_training_input_configuration: ``PER_HOST_V1`` or ``SLICED``.
        experimental_host_call_every_n_steps: kept; the host call runs with each step that hooks see.
        experimental_allow_per_host_v2_parallel_get_next: kept.
        experimental_feed_hook: kept.

    Raises:
        ValueError: for values out of range.
        TypeError: for numbers that are no integers.
    """

    __slots__ = ()

    def __new__(
        cls,
        iterations_per_loop: int | str = 2,
        num_shards: int | None = None,
        num_cores_per_replica: int | None = None,
        per_host_input_for_training: Any = True,
        tpu_job_name: str | None = None,
        initial_infeed_sleep_secs: int | None = None,
        input_partition_dims: Any = None,
        eval_training_input_configuration: int = InputPipelineConfig.PER_HOST_V1,
        experimental_host_call_every_n_steps: int = 1,
        experimental_allow_per_host_v2_parallel_get_next: bool = False,
        experimental_feed_hook: Any = None,
    ) -> TPUConfig:
        steps_per_loop(iterations_per_loop)
        if num_shards is not None:
            check_positive("TPUConfig.num_shards", num_shards)
        if initial_infeed_sleep_secs:
            check_positive("TPUConfig.initial_infeed_sleep_secs", initial_infeed_sleep_secs)
        if isinstance(per_host_input_for_training, bool):
            # As it was before there were names for it.
            per_host = InputPipelineConfig.PER_HOST_V1, InputPipelineConfig.PER_SHARD_V1
            per_host_input_for_training = per_host[0 if per_host_input_for_training else 1]
        if input_partition_dims is not None:
            if len(input_partition_dims) not in (1, 2):
                raise ValueError(
                    fault("TPUConfig.input_partition_dims", input_partition_dims, "one or two elements")
                )
            if per_host_input_for_training != InputPipelineConfig.PER_HOST_V2:
                hint = "it is only supported in PER_HOST_V2 mode"
                raise ValueError(fault("TPUConfig.input_partition_dims", input_partition_dims, None, hint))
            if num_cores_per_replica is None:
                hint = "it requires num_cores_per_replica"
                raise ValueError(fault("TPUConfig.input_partition_dims", input_partition_dims, None, hint))
        if num_cores_per_replica is not None and num_cores_per_replica not in _PARTS:
            raise ValueError(
                f"num_cores_per_replica must be 1, 2, 4, 8, 16, 32, 64, 128; got {num_cores_per_replica}"
            )
        known = InputPipelineConfig.PER_HOST_V1, InputPipelineConfig.SLICED
        if eval_training_input_configuration not in known:
            place = "TPUConfig.eval_training_input_configuration"
            raise ValueError(fault(place, eval_training_input_configuration, "PER_HOST_V1 or SLICED"))
        return super().__new__(
            cls,
            iterations_per_loop,
            num_shards,
            num_cores_per_replica,
            per_host_input_for_training,
            tpu_job_name,
            initial_infeed_sleep_secs,
            input_partition_dims,
            eval_training_input_configuration,
            experimental_host_call_every_n_steps,
            experimental_allow_per_host_v2_parallel_get_next,
            experimental_feed_hook,
        )


class RunConfig(_RunConfig):
    """A RunConfig with a :class:`TPUConfig`.

    Args:
        tpu_config: the TPU's settings; None takes the defaults.
        evaluation_master: kept; ``master`` where it is None.
        master: the TPU's name or address (``grpc://…``), for ``use_tpu=True``.
        cluster: a ``TPUClusterResolver`` instead of ``master``.
        **kwargs: the arguments of :class:`transferkit.estimator.RunConfig`.

    Raises:
        ValueError: where both ``master`` and ``cluster`` are given.
    """

    def __init__(
        self,
        tpu_config: TPUConfig | None = None,
        evaluation_master: str | None = None,
        master: str | None = None,
        cluster: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if master is not None and cluster is not None:
            raise ValueError(fault("RunConfig", None, None, "Both master and cluster are set."))
        tpu_config = tpu_config or TPUConfig()
        name = tpu_config.tpu_job_name or (self.service or {}).get("tpu_worker_job_name")
        self._tpu_config = tpu_config._replace(tpu_job_name=name)
        self._resolver = cluster
        if master is None:
            master = cluster.master() if cluster is not None else super().master
        self._master = master
        before = super().evaluation_master
        follows = not before and self.task_type != TaskType.EVALUATOR
        self._evaluation_master = evaluation_master or (self._master if follows else before)

    @property
    def tpu_config(self) -> TPUConfig:
        """The TPU's settings."""
        return self._tpu_config

    @property
    def cluster(self) -> Any:
        """The ``TPUClusterResolver``, or None."""
        return self._resolver

    @property
    def master(self) -> str:
        """The TPU's name or address; empty where none is given."""
        result: str = self._master
        return result

    @property
    def evaluation_master(self) -> str:
        """Kept for compatibility."""
        result: str = self._evaluation_master
        return result


def check_positive(place: str, value: Any) -> None:
    """Raises TypeError for what is no integer, ValueError for one that is not positive.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is not above 0.
    """
    if not isinstance(value, numbers.Integral):
        raise TypeError(fault(place, value, "an integer"))
    if value <= 0:
        raise ValueError(fault(place, value, None, "must be positive"))


def steps_per_loop(iterations_per_loop: int | str) -> int | None:
    """The steps of a loop; None where a time is given.

    Raises:
        ValueError: where it is neither.
    """
    found = _LOOP.fullmatch(str(iterations_per_loop))
    if found is None:
        hint = "must be positive: a number of steps, or a time such as 30s, 5m, 1h"
        raise ValueError(fault("TPUConfig.iterations_per_loop", iterations_per_loop, None, hint))
    return None if found.group(2) else int(found.group(1))
