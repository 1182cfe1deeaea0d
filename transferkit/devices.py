"""Which devices a run computes on: from the words of a recipe to a ``tf.distribute`` strategy.

This is the one place where that is settled. One device without a strategy is a strategy of None: TensorFlow
then puts everything where it can, and a run on a CPU is what it was before there were strategies.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from transferkit.cluster.cluster import Cluster, current
from transferkit.cluster.place import take_from_slurm
from transferkit.errors import UserError, fault
from transferkit.recipe import Recipe
from transferkit.recipe.device_names import read_strategy
from transferkit.recipe.sections import DevicesSection
from transferkit.tensorflow_startup import set_memory_growth, start_tensorflow
from transferkit.type_names import NamedValues

__all__ = [
    "ChosenDevices",
    "automatic",
    "check_devices",
    "choose_devices",
    "named_devices",
    "uncompiled",
    "workers_told",
]

_KEY = "devices.strategy"


@dataclass(frozen=True)
class ChosenDevices:
    """What a run computes on.

    Attributes:
        kind: ``"cpu"``, ``"gpu"``, ``"mirrored"``, ``"multi_worker"`` or ``"tpu"``.
        names: the logical devices of this process that compute, such as ``"/device:GPU:0"``.
        why: why these, in words.
        strategy: the ``tf.distribute`` strategy, or None for one device without one.
        jit_compile: whether XLA compiles the steps.
        may_fall_back: whether a step that XLA cannot compile runs without it.
        precision: that the frozen pass computes in.
    """

    kind: str
    names: tuple[str, ...]
    why: str
    strategy: Any = None
    jit_compile: bool = False
    may_fall_back: bool = True
    precision: str = "float32"

    @property
    def replicas(self) -> int:
        """Over how many devices, of all workers, each batch of a step is divided."""
        if self.kind == "multi_worker":
            return workers_told()
        return 1 if self.strategy is None else int(self.strategy.num_replicas_in_sync)

    @property
    def replicas_here(self) -> int:
        """How many of them this process feeds."""
        from transferkit.estimator.distribution import replicas_here

        return replicas_here(self.strategy)

    @property
    def names_here(self) -> tuple[str, ...]:
        """Those that the frozen pass of this process is run on; none named where that is TensorFlow's own."""
        return self.names if len(self.names) > 1 or self.strategy is not None else ()

    @property
    def accelerated(self) -> bool:
        """Whether something else than CPUs computes."""
        return any("CPU" not in name.upper() for name in self.names)

    @property
    def cluster(self) -> Cluster | None:
        """The workers that this process trains in step with; None where it has joined none."""
        return current() if self.kind == "multi_worker" else None

    def scope(self) -> AbstractContextManager[Any]:
        """Within it, variables are made where the strategy wants them."""
        return nullcontext() if self.strategy is None else self.strategy.scope()

    def run_config(self) -> NamedValues:
        """What an Estimator's RunConfig is told of them."""
        if self.cluster is not None:
            # A loop inside the graph may have another length on another worker, whose sums then do not meet.
            return {"steps_per_loop": 1}
        return {
            "train_distribute": self.strategy,
            "eval_distribute": self.strategy,
            "jit_compile": self.jit_compile,
        }

    def describe(self) -> str:
        """What was taken and why, for people.

        >>> ChosenDevices("cpu", ("/device:CPU:0",), "TensorFlow sees no GPU here").describe()
        'cpu (CPU:0): TensorFlow sees no GPU here'
        """
        shown = ", ".join(name.rpartition("device:")[2] for name in self.names)
        compiled = "; steps are compiled with XLA" if self.jit_compile else ""
        return f"{self.kind} ({shown}): {self.why}{compiled}"

    def to_dict(self) -> NamedValues:
        """Ready for JSON."""
        return {
            "strategy": self.kind,
            "devices": [name.rpartition("device:")[2] for name in self.names],
            "replicas": self.replicas,
            "why": self.why,
            "xla": self.jit_compile,
            "precision": self.precision,
        }


def check_devices(section: DevicesSection) -> None:
    """Makes sure that the devices that are named are there; asks TensorFlow only where some are.

    Raises:
        UserError: they are not.
    """
    kind, numbers = read_strategy(section.strategy)
    if kind in ("auto", "cpu", "mirrored"):
        return
    if kind == "multi_worker":
        take_from_slurm()
    if kind == "multi_worker" and workers_told() == 0:
        expected = "a cluster in TF_CONFIG, which is not set, or in Slurm's variables of a step"
        hint = "each worker's environment names all workers and its own place among them"
        raise UserError(fault(_KEY, kind, expected, hint))
    if kind == "gpu":
        _physical_gpus(section.strategy, numbers)
    if kind == "tpu":
        start_tensorflow()
        import tensorflow as tf

        if not (_tpu_told() or tf.config.list_physical_devices("TPU")):
            hint = "name it in TPU_NAME, or run on the TPU's own machine, with a TensorFlow that has TPUs"
            raise UserError(fault(_KEY, kind, "a TPU; TensorFlow sees none", hint))


def choose_devices(section: DevicesSection) -> ChosenDevices:
    """The devices that a recipe asks for. The same section gives the same strategy throughout a process.

    It has to be asked before TensorFlow computes anything: a cluster, and the choice of some of the GPUs,
    take effect only then. Where the devices are not there, this machine's own are taken: a new run has been
    refused before (:func:`check_devices`), and a finished one may have moved.
    """
    set_memory_growth(section.memory_growth)
    wanted, lacking = section.strategy, ""
    try:
        check_devices(section)
    except UserError:
        wanted, lacking = "auto", section.strategy
    chosen = _chosen(wanted, section.xla, section.precision, os.environ.get("TF_CONFIG"))
    return replace(chosen, why=f"{lacking} is not here; {chosen.why}") if lacking else chosen


def named_devices(recipe: Recipe, strategy: str | None) -> Recipe:
    """A recipe with other devices, where some are named: those of a finished run may be another machine's.

    Args:
        recipe: of the run.
        strategy: as ``--devices`` takes it; None keeps the recipe's.

    Raises:
        UserError: there is no such name, or the devices are not there.
    """
    if strategy is None:
        return recipe
    try:
        read_strategy(strategy)
    except ValueError as error:
        raise UserError(f"--devices: {error}") from None
    section = recipe.devices.model_copy(update={"strategy": strategy})
    check_devices(section)
    return recipe.model_copy(update={"devices": section})


def uncompiled(error: Exception) -> str | None:
    """What XLA says that it cannot compile, in one line; None for another failure."""
    text = " ".join(str(error).split())
    found = re.search(r"(?i)(?:xla|uncompilable|compilation fail|not compilable|jit_compile)", text)
    return text[:300] if found else None


def workers_told() -> int:
    """How many workers TF_CONFIG names, the chief among them; 0 where it names none or cannot be read."""
    import json

    try:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster") or {}
        return sum(len(cluster.get(job) or ()) for job in ("chief", "master", "worker"))
    except (ValueError, AttributeError, TypeError):
        return 0  # what is wrong with it is said elsewhere


@functools.lru_cache(maxsize=8)
def _chosen(wanted: str, xla: Any, precision: str, _cluster: str | None) -> ChosenDevices:
    start_tensorflow()
    kind, numbers = read_strategy(wanted)
    why = f"{_KEY} says so"
    if kind == "auto":
        kind, why = automatic()
    if kind == "tpu":
        strategy = _named(kind)
        names = tuple(strategy.extended.worker_devices)
    elif kind == "multi_worker":
        # Workers add up what each has computed on one device (transferkit.cluster).
        strategy, names = None, _local("mirrored", wanted, ())[:1]
    else:
        names = _local(kind, wanted, numbers)
        kind = "mirrored" if len(names) > 1 else kind
        strategy = _of_names(kind, names)
    # XLA compiles a step of one device; TensorFlow compiles a TPU's by itself.
    jit = xla is True or (xla == "auto" and kind == "gpu")
    if jit and (len(names) > 1 or kind == "multi_worker") and kind != "tpu":
        expected = '"auto" or false where several devices share a step'
        raise UserError(fault("devices.xla", True, expected, "XLA compiles a step of one device"))
    return ChosenDevices(kind, names, why, strategy, jit and kind != "tpu", xla == "auto", precision)


def automatic() -> tuple[str, str]:
    """The kind of devices to take where none are named, and why."""
    import tensorflow as tf

    workers = workers_told()
    if workers > 1:
        return "multi_worker", f"TF_CONFIG names {workers} workers"
    if _tpu_told():
        return "tpu", "the environment names a TPU"
    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus > 1:
        return "mirrored", f"TensorFlow sees {gpus} GPUs"
    if gpus:
        return "gpu", "TensorFlow sees one GPU"
    return "cpu", "TensorFlow sees no GPU here"


def _tpu_told() -> bool:
    return bool(os.environ.get("TPU_NAME") or os.environ.get("COLAB_TPU_ADDR"))


def _physical_gpus(wanted: str, numbers: Sequence[int]) -> list[Any]:
    """The GPUs that are named.

    Raises:
        UserError: they are not there.
    """
    start_tensorflow()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        hint = "`transferkit doctor` says why; --devices auto takes what there is"
        raise UserError(fault(_KEY, wanted, "a GPU; TensorFlow sees none on this machine", hint))
    missing = [number for number in numbers if number >= len(gpus)]
    if missing:
        expected = f"GPUs that are there: {', '.join(str(number) for number in range(len(gpus)))}"
        raise UserError(fault(_KEY, wanted, expected))
    return [gpus[number] for number in numbers or (0,)]


def _local(kind: str, wanted: str, numbers: Sequence[int]) -> tuple[str, ...]:
    """The logical devices of this machine that compute; no others are seen where that can still be said."""
    import tensorflow as tf

    if kind == "cpu":
        _only("GPU", [])
        return (tf.config.list_logical_devices("CPU")[0].name,)
    if kind == "gpu":
        gpus = _physical_gpus(wanted, numbers)
        # TensorFlow numbers anew those that it is shown; where it has started it shows all.
        shown = _only("GPU", gpus)
        logical = tf.config.list_logical_devices("GPU")
        return tuple(logical[place].name for place in (range(len(gpus)) if shown else numbers or (0,)))
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tuple(device.name for device in devices)


def _only(kind: str, devices: list[Any]) -> bool:
    """Shows TensorFlow these devices of a kind alone; False where it has started with others."""
    import tensorflow as tf

    if tf.config.get_visible_devices(kind) == devices:
        return True
    try:
        tf.config.set_visible_devices(devices, kind)
    except RuntimeError:
        return False
    return True


def _of_names(kind: str, names: tuple[str, ...]) -> Any:
    import tensorflow as tf

    if kind == "mirrored":
        return _mirrored(names)
    first = (tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU"))[0].name
    # What TensorFlow takes by itself needs no strategy.
    return None if names[0] == first else _one_device(names[0])


@functools.lru_cache(maxsize=4)
def _mirrored(names: tuple[str, ...]) -> Any:
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(list(names))


@functools.lru_cache(maxsize=4)
def _one_device(name: str) -> Any:
    import tensorflow as tf

    return tf.distribute.OneDeviceStrategy(name)


@functools.lru_cache(maxsize=2)
def _named(kind: str) -> Any:
    """The strategy of a cluster or a TPU, of which a process can have one."""
    from transferkit.estimator.distribution import strategy_of
    from transferkit.estimator.run_config import RunConfig

    try:
        return strategy_of(kind, RunConfig())
    except ValueError as error:
        raise UserError(str(error).replace("train_distribute", _KEY, 1)) from None
