"""What the model_fn of a TPUEstimator returns."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.session.hooks import check_hooks
from transferkit.estimator.spec import EstimatorSpec
from transferkit.type_names import Tensor, Tensors

__all__ = ["TPUEstimatorSpec"]


class _Fields(NamedTuple):
    mode: str
    predictions: Tensors
    loss: Tensor
    train_op: Any
    eval_metrics: Any
    export_outputs: Any
    scaffold_fn: Any
    host_call: Any
    training_hooks: tuple[Any, ...]
    evaluation_hooks: tuple[Any, ...]
    prediction_hooks: tuple[Any, ...]


class TPUEstimatorSpec(_Fields):
    """As :class:`transferkit.estimator.EstimatorSpec`, with functions in place of what runs on the host.

    Args:
        mode: one of ModeKeys.
        predictions: a tensor or a dictionary of tensors.
        loss: a scalar tensor.
        train_op: what one training step runs.
        eval_metrics: ``(function, tensors)``: the function takes the tensors (a list by position, a
            dictionary by name) and returns ``eval_metric_ops``.
        export_outputs: signature name -> export output.
        scaffold_fn: a function that returns a ``Scaffold``.
        host_call: ``(function, tensors)``: what the function returns is run with each step that hooks see, of
            training and evaluation; made for summaries. Under a strategy it sees the first replica's tensors.
        training_hooks: hooks of training.
        evaluation_hooks: hooks of evaluation.
        prediction_hooks: hooks of prediction.

    Raises:
        ValueError: where ``eval_metrics`` or ``host_call`` is no pair of a function and tensors.
        TypeError: where its first part cannot be called, or a hook is none.
        RuntimeError: where the function takes another number of tensors.
    """

    __slots__ = ()

    def __new__(
        cls,
        mode: str,
        predictions: Tensors = None,
        loss: Tensor = None,
        train_op: Any = None,
        eval_metrics: Any = None,
        export_outputs: Any = None,
        scaffold_fn: Any = None,
        host_call: Any = None,
        training_hooks: Any = None,
        evaluation_hooks: Any = None,
        prediction_hooks: Any = None,
    ) -> TPUEstimatorSpec:
        for name, given in (("eval_metrics", eval_metrics), ("host_call", host_call)):
            if given is not None:
                _check_host_call(name, given)
        return super().__new__(
            cls,
            mode,
            predictions,
            loss,
            train_op,
            eval_metrics,
            export_outputs,
            scaffold_fn,
            host_call,
            tuple(check_hooks(training_hooks)),
            tuple(check_hooks(evaluation_hooks)),
            tuple(check_hooks(prediction_hooks)),
        )

    def as_estimator_spec(self) -> EstimatorSpec:
        """The same as an EstimatorSpec: its functions are called, their results become metrics and hooks."""
        metrics = None if self.eval_metrics is None else _call(self.eval_metrics)
        more: tuple[Any, ...] = ()
        if self.host_call is not None:
            more = (_HostCallHook(_call(self.host_call)),)
        return EstimatorSpec(
            mode=self.mode,
            predictions=self.predictions,
            loss=self.loss,
            train_op=self.train_op,
            eval_metric_ops=metrics,
            export_outputs=self.export_outputs,
            scaffold=self.scaffold_fn() if self.scaffold_fn else None,
            training_hooks=self.training_hooks + more,
            evaluation_hooks=self.evaluation_hooks + more,
            prediction_hooks=self.prediction_hooks + more,
        )


class _HostCallHook(tf.compat.v1.train.SessionRunHook):  # type: ignore[misc]
    """Runs with each step what a host call returned."""

    def __init__(self, fetches: Any) -> None:
        self._fetches = fetches

    def before_run(self, run_context: Any) -> Any:
        return tf.compat.v1.train.SessionRunArgs(self._fetches)


def _call(given: Any) -> Any:
    function, tensors = given
    return function(**tensors) if isinstance(tensors, dict) else function(*tensors)


def _check_host_call(name: str, given: Any) -> None:
    place = f"TPUEstimatorSpec.{name}"
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise ValueError(fault(place, given, "a pair of a function and its tensors"))
    function, tensors = given
    if not callable(function):
        raise TypeError(fault(f"{place}[0]", function, "something that can be called"))
    if not isinstance(tensors, (tuple, list, dict)):
        raise ValueError(fault(f"{place}[1]", tensors, "a tuple, a list or a dictionary of tensors"))
    if isinstance(tensors, dict):
        return
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return
    taken = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(taken) != len(tensors):
        raise RuntimeError(
            f"In {place}, length of tensors {len(tensors)} does not match method args of the function, "
            f"which takes {len(taken)}."
        )
