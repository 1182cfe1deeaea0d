"""Training with evaluations in between, on one machine or as one task of a cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.checkpoints import checkpoint_files
from transferkit.estimator.cluster import TaskType
from transferkit.estimator.estimator import Estimator
from transferkit.estimator.exporters import Exporter
from transferkit.estimator.session.hooks import check_hooks, check_listeners
from transferkit.estimator.session.training_log import progress

__all__ = ["EvalSpec", "TrainSpec", "train_and_evaluate"]


class _TrainSpec(NamedTuple):
    input_fn: Callable[..., Any]
    max_steps: int | None
    hooks: tuple[Any, ...]
    saving_listeners: tuple[Any, ...]


class TrainSpec(_TrainSpec):
    """What is trained on, and how long.

    Args:
        input_fn: the data.
        max_steps: steps in all; None goes on to the end of the data.
        hooks: training hooks.
        saving_listeners: told of each checkpoint.

    Raises:
        ValueError: where ``max_steps`` is not positive.
        TypeError: where something is of the wrong type.
    """

    __slots__ = ()

    def __new__(
        cls,
        input_fn: Callable[..., Any],
        max_steps: int | None = None,
        hooks: Any = None,
        saving_listeners: Any = None,
    ) -> TrainSpec:
        _check_callable("TrainSpec.input_fn", input_fn)
        if max_steps is not None and max_steps <= 0:
            raise ValueError(fault("TrainSpec.max_steps", max_steps, "a positive number, or None"))
        return super().__new__(
            cls,
            input_fn,
            max_steps,
            tuple(check_hooks(hooks)),
            check_listeners("TrainSpec", saving_listeners),
        )


class _EvalSpec(NamedTuple):
    input_fn: Callable[..., Any]
    steps: int | None
    name: str | None
    hooks: tuple[Any, ...]
    exporters: tuple[Exporter, ...]
    start_delay_secs: float
    throttle_secs: float


class EvalSpec(_EvalSpec):
    """What is evaluated on, and how often.

    Args:
        input_fn: the data.
        steps: batches of an evaluation; None takes all the data.
        name: of the evaluation, where there are several.
        hooks: evaluation hooks.
        exporters: what exports after an evaluation.
        start_delay_secs: seconds before an evaluator task begins.
        throttle_secs: least seconds between two evaluations.

    Raises:
        ValueError: for numbers out of range, or two exporters of one name.
        TypeError: where something is of the wrong type.
    """

    __slots__ = ()

    def __new__(
        cls,
        input_fn: Callable[..., Any],
        steps: int | None = 100,
        name: str | None = None,
        hooks: Any = None,
        exporters: Any = None,
        start_delay_secs: float = 120,
        throttle_secs: float = 600,
    ) -> EvalSpec:
        _check_callable("EvalSpec.input_fn", input_fn)
        if steps is not None and steps <= 0:
            raise ValueError(fault("EvalSpec.steps", steps, "a positive number, or None"))
        if name is not None and not isinstance(name, str):
            raise TypeError(fault("EvalSpec.name", name, "a string, or None"))
        for place, value in (("start_delay_secs", start_delay_secs), ("throttle_secs", throttle_secs)):
            if value < 0:
                raise ValueError(fault(f"EvalSpec.{place}", value, "a number that is not negative"))
        return super().__new__(
            cls,
            input_fn,
            steps,
            name,
            tuple(check_hooks(hooks)),
            _exporters(exporters),
            start_delay_secs,
            throttle_secs,
        )


def _check_callable(place: str, value: Any) -> None:
    if not callable(value):
        raise TypeError(fault(place, value, "a function"))


def _exporters(given: Any) -> tuple[Exporter, ...]:
    if given is None:
        return ()
    several = (given,) if isinstance(given, Exporter) else tuple(given)
    names: set[str] = set()
    for one in several:
        if not isinstance(one, Exporter):
            raise TypeError(fault("EvalSpec.exporters", one, "an Exporter"))
        if not isinstance(one.name, str):
            raise ValueError(fault("EvalSpec.exporters", one.name, "an exporter whose name is a string"))
        if one.name in names:
            raise ValueError(fault("EvalSpec.exporters", one.name, "a name that no other exporter has"))
        names.add(one.name)
    return several


def train_and_evaluate(estimator: Any, train_spec: TrainSpec, eval_spec: EvalSpec) -> tuple[Any, Any]:
    """Trains, evaluates at the checkpoints (no more often than ``throttle_secs``), and exports.

    On one machine both happen in this process. In a cluster of TF_CONFIG, a chief or worker trains, and an
    evaluator evaluates each new checkpoint until the last.

    Args:
        estimator: an Estimator.
        train_spec: what is trained on, and for how many steps.
        eval_spec: what is evaluated on, and what is exported.

    Returns:
        The last evaluation's metrics and the list of what the exporters gave; both None for a chief or worker
        of a cluster, whose evaluator is a task of its own. ``master`` does both, as it did.

    Raises:
        TypeError: where the specs are something else.
        ValueError: where the task of TF_CONFIG has no part in it.
    """
    if not isinstance(estimator, Estimator):
        raise TypeError(fault("train_and_evaluate.estimator", estimator, "an Estimator"))
    if not isinstance(train_spec, TrainSpec):
        raise TypeError(fault("train_and_evaluate.train_spec", train_spec, "a TrainSpec"))
    if not isinstance(eval_spec, EvalSpec):
        raise TypeError(fault("train_and_evaluate.eval_spec", eval_spec, "an EvalSpec"))
    config = estimator.config
    if config.task_type == TaskType.EVALUATOR:
        if config.task_id:
            raise ValueError(fault("TF_CONFIG.task.index", config.task_id, "0: there is one evaluator"))
        return _evaluator(estimator, train_spec, eval_spec)
    if config.task_type == TaskType.PS:
        raise ValueError(
            fault(
                "TF_CONFIG.task.type",
                "ps",
                "chief, worker or evaluator",
                "parameter servers are not supported",
            )
        )
    if config.cluster_spec.jobs and config.task_type != TaskType.MASTER:
        # In a cluster a task of its own evaluates and exports; a chief beside it only trains.
        estimator.train(
            train_spec.input_fn,
            train_spec.hooks,
            max_steps=train_spec.max_steps,
            saving_listeners=train_spec.saving_listeners,
        )
        return None, None
    return _local(estimator, train_spec, eval_spec)


class _Evaluation:
    """Evaluates and exports, and remembers the last results."""

    def __init__(self, estimator: Any, spec: EvalSpec, max_steps: int | None) -> None:
        self._estimator, self._spec, self._max_steps = estimator, spec, max_steps
        self.metrics: Any = None
        self.exports: list[Any] = []
        self.checkpoint: str | None = None
        self.final = False

    def run(self, final: bool | None = None, exports: bool = True) -> None:
        """Evaluates the newest checkpoint, and exports it."""
        estimator, spec = self._estimator, self._spec
        prefix = estimator.latest_checkpoint()
        self.metrics = estimator.evaluate(spec.input_fn, steps=spec.steps, hooks=spec.hooks, name=spec.name)
        self.checkpoint = prefix
        step = self.metrics["global_step"]
        self.final = final if final is not None else bool(self._max_steps and step >= self._max_steps)
        base = os.path.join(estimator.model_dir, "export")
        self.exports = []
        for exporter in spec.exporters if exports else ():
            path = os.path.join(base, exporter.name)
            self.exports.append(exporter.export(estimator, path, prefix, self.metrics, self.final))


class _Evaluating(tf.compat.v1.train.CheckpointSaverListener):  # type: ignore[misc]
    """Evaluates after a checkpoint, unless the last evaluation is too recent.

    The checkpoint with which training begins and the last one are not its business.
    """

    def __init__(self, evaluation: _Evaluation, throttle: float, apart: tuple[int | None, ...]) -> None:
        self._evaluation, self._throttle, self._apart = evaluation, throttle, apart
        self._last: float | None = None

    def after_save(self, session: Any, global_step_value: int) -> None:
        recent = self._last is not None and time.monotonic() - self._last < self._throttle
        if recent or global_step_value in self._apart:
            return
        self._evaluation.run(final=False)
        self._last = time.monotonic()


def _local(estimator: Any, train_spec: TrainSpec, eval_spec: EvalSpec) -> tuple[Any, Any]:
    evaluation = _Evaluation(estimator, eval_spec, train_spec.max_steps)
    begin = estimator.latest_checkpoint()
    apart = (checkpoint_files.step_of(begin) if begin else 0, train_spec.max_steps)
    listener = _Evaluating(evaluation, eval_spec.throttle_secs, apart)
    listeners = (*train_spec.saving_listeners, listener)
    estimator.train(
        train_spec.input_fn, train_spec.hooks, max_steps=train_spec.max_steps, saving_listeners=listeners
    )
    # Whatever was evaluated on the way, the last checkpoint is, and counts as the final one. Where there was
    # nothing to train, its exports are there already.
    evaluation.run(final=True, exports=begin is None or estimator.latest_checkpoint() != begin)
    return evaluation.metrics, evaluation.exports


def _evaluator(estimator: Any, train_spec: TrainSpec, eval_spec: EvalSpec) -> tuple[Any, Any]:
    evaluation = _Evaluation(estimator, eval_spec, train_spec.max_steps)
    if eval_spec.start_delay_secs:
        progress.info("Waiting %s s before the first evaluation", eval_spec.start_delay_secs)
        time.sleep(eval_spec.start_delay_secs)
    while not evaluation.final:
        started = time.monotonic()
        found = checkpoint_files.wait_for_newer(estimator.model_dir, evaluation.checkpoint, timeout=5.0)
        if found is None:
            continue
        evaluation.run()
        rest = eval_spec.throttle_secs - (time.monotonic() - started)
        if rest > 0 and not evaluation.final:
            time.sleep(rest)
    return evaluation.metrics, evaluation.exports
