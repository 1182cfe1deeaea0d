"""Which devices a run uses: a ``tf.distribute`` strategy, by itself or by name."""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf

from transferkit.errors import did_you_mean, fault
from transferkit.private.tensorflow_attributes import number_of_worker, workers_of

__all__ = ["STRATEGIES", "check_compilable", "input_context", "replicas_here", "strategy_of"]

STRATEGIES = ("auto", "cpu", "gpu", "mirrored", "multi_worker", "tpu")


def strategy_of(given: Any, config: Any = None) -> tf.distribute.Strategy | None:
    """The strategy that ``given`` names, or is; None for one device without a strategy.

    ``auto`` takes several workers where TF_CONFIG names them, a TPU where one is named, all GPUs where there
    are several, one GPU or the CPU else. ``cpu`` and ``gpu`` are one device, ``mirrored`` is all GPUs of the
    machine (all logical CPUs where there is no GPU), ``multi_worker`` the cluster of TF_CONFIG, ``tpu`` the
    TPU that ``config.tpu`` names or the environment tells.

    Raises:
        ValueError: for an unknown name, or devices that are not there.
    """
    if given is None:
        return None
    if isinstance(given, (tf.distribute.Strategy, tf.compat.v1.distribute.Strategy)):
        if "ParameterServer" in type(given).__name__:
            hint = "parameter servers are not supported; use MirroredStrategy or MultiWorkerMirroredStrategy"
            raise ValueError(fault("train_distribute", type(given).__name__, None, hint))
        return given
    if not isinstance(given, str) or given not in STRATEGIES:
        raise ValueError(
            fault(
                "train_distribute",
                given,
                "a tf.distribute strategy or one of " + ", ".join(STRATEGIES),
                did_you_mean(str(given), STRATEGIES),
            )
        )
    name = _automatic(config) if given == "auto" else given
    if name == "multi_worker" and getattr(config, "task_type", None) == "evaluator":
        # An evaluator stands beside the workers and is alone.
        return None
    # Before any device is looked for: that starts TensorFlow, which must know of its cluster then.
    if name == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "tpu":
        return _tpu(getattr(config, "tpu", None))
    if name == "cpu":
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    gpus = tf.config.list_logical_devices("GPU")
    if name == "gpu":
        if not gpus:
            raise ValueError(fault("train_distribute", "gpu", None, "this machine shows TensorFlow no GPU"))
        return tf.distribute.OneDeviceStrategy("/gpu:0")
    devices = gpus or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _automatic(config: Any) -> str:
    if config is not None and config.num_worker_replicas > 1:
        return "multi_worker"
    if getattr(config, "tpu", None) or os.environ.get("TPU_NAME") or os.environ.get("COLAB_TPU_ADDR"):
        return "tpu"
    gpus = len(tf.config.list_logical_devices("GPU"))
    return "mirrored" if gpus > 1 else "gpu" if gpus else "cpu"


def _tpu(named: Any) -> tf.distribute.Strategy:
    try:
        resolver = named
        if named is None or isinstance(named, str):
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=named or "")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, OSError, tf.errors.OpError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(fault("train_distribute", "tpu", "a TPU that can be reached", text)) from error


def check_compilable(strategy: tf.distribute.Strategy | None, config: Any) -> None:
    """Raises ValueError where XLA is to compile a step of several devices: it compiles for one.

    On TPUs TensorFlow compiles each replica's part by itself.
    """
    if not config.jit_compile or strategy is None or isinstance(strategy, tf.distribute.TPUStrategy):
        return
    devices = strategy.extended.worker_devices
    if len(devices) > 1:
        hint = f"leave it out: a step over {len(devices)} devices is not compiled as a whole"
        raise ValueError(fault("RunConfig.jit_compile", True, "False under this strategy", hint))


def input_context(strategy: tf.distribute.Strategy | None) -> tf.distribute.InputContext:
    """What an input_fn that takes ``input_context`` is told of the workers."""
    if strategy is None:
        return tf.distribute.InputContext()
    workers, here = workers_of(strategy), number_of_worker(strategy)
    return tf.distribute.InputContext(workers, here, strategy.num_replicas_in_sync)


def replicas_here(strategy: tf.distribute.Strategy | None) -> int:
    """How many replicas this process feeds."""
    if strategy is None:
        return 1
    return int(strategy.num_replicas_in_sync // workers_of(strategy))
