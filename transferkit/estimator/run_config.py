"""How an Estimator runs: where it writes, how often, with which seed, on which devices."""

from __future__ import annotations

import copy
import os
from typing import Any

import tensorflow as tf

from transferkit.errors import did_you_mean, fault
from transferkit.estimator.cluster import ClusterTask
from transferkit.estimator.graph.calling import arguments

__all__ = ["RunConfig"]

_UNSET = object()


class RunConfig(ClusterTask):
    """Settings of a run; the arguments before ``steps_per_loop`` are those of tf.estimator 2.15.

    Args:
        model_dir: where checkpoints and event files go.
        tf_random_seed: every random number follows from it, and a resumed run ends with the weights of an
            uninterrupted one; None draws another run each time.
        save_summary_steps: steps between two summaries; 0 or None writes none.
        save_checkpoints_steps: steps between two checkpoints.
        save_checkpoints_secs: seconds between two checkpoints (600 where neither is given); not both.
        session_config: kept and ignored: there is no session. Raises where it asks for a device placement.
        keep_checkpoint_max: how many checkpoints stay; None or 0 keeps all.
        keep_checkpoint_every_n_hours: one checkpoint in this many hours is kept for good.
        log_step_count_steps: steps between two log lines of loss and speed.
        train_distribute: a ``tf.distribute`` strategy, or one of the names ``auto``, ``cpu``, ``gpu``,
            ``mirrored``, ``multi_worker``, ``tpu``.
        device_fn: a function from operation to device, or None.
        protocol: kept for compatibility; the cluster's protocol is the strategy's business.
        eval_distribute: as ``train_distribute``, for evaluation; None evaluates on one device. Weights live
            in the training strategy: beside one, only its devices or a single one can be named.
        experimental_distribute: kept for compatibility; not supported.
        experimental_max_worker_delay_secs: kept for compatibility.
        session_creation_timeout_secs: kept for compatibility.
        checkpoint_save_graph_def: whether ``graph.pbtxt`` and a ``.meta`` file of each checkpoint are
            written, for what reads the graph from there.
        steps_per_loop: training steps run inside the graph between two looks of Python (hooks, summaries,
            checkpoints); None chooses 1.
        jit_compile: whether XLA compiles the steps; it needs static shapes, and summaries of the model_fn
            are left out.
        mixed_precision: ``"bfloat16"`` makes Keras layers that model_fn makes compute in bfloat16 with
            float32 weights. Layers made outside keep the policy they were made with: make them after
            ``keras.config.set_dtype_policy("mixed_bfloat16")``, else a warning names them. Operations without
            Keras are not touched. None changes nothing.
        tpu: name of the TPU for ``"tpu"``; None asks the environment.

    Raises:
        ValueError: for values out of range, both checkpoint intervals at once, or a TF_CONFIG that does
            not make sense.
    """

    def __init__(
        self,
        model_dir: str | None = None,
        tf_random_seed: int | None = None,
        save_summary_steps: int | None = 100,
        save_checkpoints_steps: Any = _UNSET,
        save_checkpoints_secs: Any = _UNSET,
        session_config: Any = None,
        keep_checkpoint_max: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000,
        log_step_count_steps: int | None = 100,
        train_distribute: Any = None,
        device_fn: Any = None,
        protocol: str | None = None,
        eval_distribute: Any = None,
        experimental_distribute: Any = None,
        experimental_max_worker_delay_secs: float | None = None,
        session_creation_timeout_secs: float = 7200,
        checkpoint_save_graph_def: bool = True,
        steps_per_loop: int | None = None,
        jit_compile: bool = False,
        mixed_precision: str | None = None,
        tpu: str | None = None,
    ) -> None:
        # The arguments by their names: what `replace` takes.
        self._values = {name: value for name, value in locals().items() if name != "self"}
        self._values |= _intervals(save_checkpoints_steps, save_checkpoints_secs)
        self._values["model_dir"] = _model_dir(model_dir)
        self._validate()
        self._read_cluster()

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name in values:
            return values[name]
        raise AttributeError(f"RunConfig has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("_values", {}):
            raise AttributeError(f"RunConfig.{name} cannot be set; use replace({name}=…)")
        super().__setattr__(name, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> RunConfig:
        # Strategies and hooks of the runtime cannot be copied, and need not be.
        made = copy.copy(self)
        made._values = dict(self._values)
        return made

    def replace(self, **changes: Any) -> RunConfig:
        """A copy with ``changes``.

        Raises:
            ValueError: for a name that cannot be replaced, or a value out of range.
        """
        for name in changes:
            if name not in self._values:
                expected = "one of " + ", ".join(self._values)
                hint = did_you_mean(name, list(self._values))
                raise ValueError(fault("RunConfig.replace", name, expected, hint))
        both = "save_checkpoints_steps", "save_checkpoints_secs"
        if all(changes.get(name) is not None for name in both):
            raise ValueError(
                fault("RunConfig.replace", None, None, "give save_checkpoints_steps or _secs, not both")
            )
        # One interval set to a value takes the place of the other.
        for one, other in (both, both[::-1]):
            if changes.get(one) is not None:
                changes[other] = None
        made = copy.deepcopy(self)
        made._values.update(changes)
        if "model_dir" in changes:
            made._values["model_dir"] = _model_dir(changes["model_dir"])
        made._validate()
        return made

    def _validate(self) -> None:
        values = self._values
        for name in ("save_checkpoints_steps", "save_checkpoints_secs"):
            if values[name] is not None and values[name] < 0:
                raise ValueError(fault(f"RunConfig.{name}", values[name], "a number that is not negative"))
        for name in ("save_summary_steps", "keep_checkpoint_max"):
            if values[name] is not None and values[name] < 0:
                raise ValueError(fault(f"RunConfig.{name}", values[name], "a number that is not negative"))
        for name in (
            "keep_checkpoint_every_n_hours",
            "log_step_count_steps",
            "session_creation_timeout_secs",
        ):
            if values[name] is not None and values[name] <= 0:
                raise ValueError(fault(f"RunConfig.{name}", values[name], "a positive number"))
        seed = values["tf_random_seed"]
        if seed is not None and not isinstance(seed, int):
            raise ValueError(fault("RunConfig.tf_random_seed", seed, "an integer"))
        loop = values["steps_per_loop"]
        if loop is not None and (not isinstance(loop, int) or loop < 1):
            raise ValueError(fault("RunConfig.steps_per_loop", loop, "a positive integer"))
        if values["mixed_precision"] not in (None, "bfloat16", "mixed_bfloat16"):
            raise ValueError(
                fault("RunConfig.mixed_precision", values["mixed_precision"], "'bfloat16' or None")
            )
        device_fn = values["device_fn"]
        if device_fn is not None and (not callable(device_fn) or arguments(device_fn) != ("op",)):
            raise ValueError(fault("RunConfig.device_fn", device_fn, "a function of one argument 'op'"))
        session = values["session_config"]
        if session is not None and not isinstance(session, tf.compat.v1.ConfigProto):
            raise ValueError(fault("RunConfig.session_config", session, "a tf.compat.v1.ConfigProto"))
        if values["protocol"] not in (None, "grpc", "grpc+verbs"):
            raise ValueError(fault("RunConfig.protocol", values["protocol"], "'grpc', 'grpc+verbs' or None"))
        for name in ("train_distribute", "eval_distribute"):
            if isinstance(values[name], tf.distribute.ParameterServerStrategy):
                hint = (
                    "parameter servers are not supported; use MirroredStrategy or MultiWorkerMirroredStrategy"
                )
                raise ValueError(fault(f"RunConfig.{name}", type(values[name]).__name__, None, hint))
        delay = values["experimental_max_worker_delay_secs"]
        if delay is not None and not isinstance(delay, int):
            raise ValueError(fault("RunConfig.experimental_max_worker_delay_secs", delay, "an integer"))
        if values["experimental_distribute"] is not None:
            raise ValueError(
                fault(
                    "RunConfig.experimental_distribute",
                    None,
                    None,
                    "use train_distribute and eval_distribute",
                )
            )


def _intervals(steps: Any, secs: Any) -> dict[str, Any]:
    """Where neither interval is given there is a checkpoint every 600 seconds."""
    if steps is _UNSET and secs is _UNSET:
        secs = 600
    elif steps not in (_UNSET, None) and secs not in (_UNSET, None):
        hint = "`save_checkpoints_steps` and `save_checkpoints_secs` cannot be both set; give one"
        raise ValueError(fault("RunConfig", None, None, hint))
    given = {"save_checkpoints_steps": steps, "save_checkpoints_secs": secs}
    return {name: None if value is _UNSET else value for name, value in given.items()}


def _model_dir(value: Any) -> str | None:
    if value is None:
        return None
    value = os.fspath(value)
    if not value:
        raise ValueError(fault("RunConfig.model_dir", value, "a folder's name, or None"))
    return str(value)
