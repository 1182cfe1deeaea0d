"""Hooks that end training when an evaluation's metric stops getting better.

They read the evaluations' event files, decide in Python, and ask the loop to stop; so they work under a
distribution strategy as on one device. Every worker of a cluster sees the same files and the same steps.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from transferkit.errors import did_you_mean, fault
from transferkit.estimator.session.training_log import progress
from transferkit.estimator.summaries import flush_now

__all__ = [
    "make_early_stopping_hook",
    "read_eval_metrics",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
]

v1 = tf.compat.v1


class _StopOnPredicate(tf.compat.v1.train.SessionRunHook):
    """Asks training to stop once a predicate without arguments holds."""

    def __init__(self, should_stop: Callable[[], bool], secs: float | None, steps: int | None) -> None:
        self._should_stop = should_stop
        self._timer = v1.train.SecondOrStepTimer(every_secs=secs, every_steps=steps)
        self._step: Any = None

    def begin(self) -> None:
        self._step = v1.train.get_global_step()
        self._timer.reset()

    def before_run(self, run_context: Any) -> Any:
        return v1.train.SessionRunArgs(self._step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        # The value is the one before the step.
        step = int(run_values.results) + 1
        if not self._timer.should_trigger_for_step(step):
            return
        self._timer.update_last_triggered_step(step)
        if self._should_stop():
            progress.info("Early stopping at step %d", step)
            run_context.request_stop()


def make_early_stopping_hook(
    estimator: Any,
    should_stop_fn: Callable[[], bool],
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> Any:
    """A hook that ends training when ``should_stop_fn()`` is true.

    Args:
        estimator: the Estimator.
        should_stop_fn: takes nothing, gives a bool.
        run_every_secs: how often it is asked; None with ``run_every_steps``.
        run_every_steps: likewise, in steps.

    Raises:
        TypeError: where ``estimator`` is none.
        ValueError: where both intervals are given, or neither.
    """
    if not hasattr(estimator, "trace_counts") or not hasattr(estimator, "eval_dir"):
        raise TypeError(fault("make_early_stopping_hook.estimator", estimator, "a transferkit Estimator"))
    if (run_every_secs is None) == (run_every_steps is None):
        raise ValueError(
            fault(
                "make_early_stopping_hook", None, None, "give one of `run_every_secs` and `run_every_steps`"
            )
        )
    return _StopOnPredicate(should_stop_fn, run_every_secs, run_every_steps)


def stop_if_higher_hook(
    estimator: Any,
    metric_name: str,
    threshold: float,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> Any:
    """Stops once the metric is above ``threshold``.

    Args:
        estimator: whose evaluations are read.
        metric_name: a key of their figures.
        threshold: in the unit of the metric.
        eval_dir: folder of the evaluation's event files; ``estimator.eval_dir()`` by default.
        min_steps: global steps before which nothing is looked at.
        run_every_secs: seconds between two looks; or
        run_every_steps: steps between them; one of the two is None.

    Returns:
        A SessionRunHook for ``estimator.train``.
    """
    return _threshold(
        operator.gt, estimator, metric_name, threshold, eval_dir, min_steps, run_every_secs, run_every_steps
    )


def stop_if_lower_hook(
    estimator: Any,
    metric_name: str,
    threshold: float,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> Any:
    """Stops once the metric is below ``threshold``.

    Args:
        estimator: whose evaluations are read.
        metric_name: a key of their figures.
        threshold: in the unit of the metric.
        eval_dir: folder of the evaluation's event files; ``estimator.eval_dir()`` by default.
        min_steps: global steps before which nothing is looked at.
        run_every_secs: seconds between two looks; or
        run_every_steps: steps between them; one of the two is None.

    Returns:
        A SessionRunHook for ``estimator.train``.
    """
    return _threshold(
        operator.lt, estimator, metric_name, threshold, eval_dir, min_steps, run_every_secs, run_every_steps
    )


def stop_if_no_increase_hook(
    estimator: Any,
    metric_name: str,
    max_steps_without_increase: int,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> Any:
    """Stops when the metric has not got higher for so many steps.

    Args:
        estimator: whose evaluations are read.
        metric_name: a key of their figures.
        max_steps_without_increase: global steps.
        eval_dir: folder of the evaluation's event files; ``estimator.eval_dir()`` by default.
        min_steps: global steps before which nothing is looked at.
        run_every_secs: seconds between two looks; or
        run_every_steps: steps between them; one of the two is None.

    Returns:
        A SessionRunHook for ``estimator.train``.
    """
    return _no_better(
        operator.gt,
        estimator,
        metric_name,
        max_steps_without_increase,
        eval_dir,
        min_steps,
        run_every_secs,
        run_every_steps,
    )


def stop_if_no_decrease_hook(
    estimator: Any,
    metric_name: str,
    max_steps_without_decrease: int,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> Any:
    """Stops when the metric has not got lower for so many steps.

    Args:
        estimator: whose evaluations are read.
        metric_name: a key of their figures.
        max_steps_without_decrease: global steps.
        eval_dir: folder of the evaluation's event files; ``estimator.eval_dir()`` by default.
        min_steps: global steps before which nothing is looked at.
        run_every_secs: seconds between two looks; or
        run_every_steps: steps between them; one of the two is None.

    Returns:
        A SessionRunHook for ``estimator.train``.
    """
    return _no_better(
        operator.lt,
        estimator,
        metric_name,
        max_steps_without_decrease,
        eval_dir,
        min_steps,
        run_every_secs,
        run_every_steps,
    )


def _threshold(
    better: Callable[[float, float], bool],
    estimator: Any,
    name: str,
    threshold: float,
    eval_dir: str | None,
    min_steps: int,
    secs: float | None,
    steps: int | None,
) -> Any:
    folder = eval_dir or estimator.eval_dir()

    def stop() -> bool:
        return any(
            better(metrics[name], threshold)
            for step, metrics in _with_metric(folder, name).items()
            if step >= min_steps
        )

    return make_early_stopping_hook(estimator, stop, secs, steps)


def _no_better(
    better: Callable[[float, float], bool],
    estimator: Any,
    name: str,
    patience: int,
    eval_dir: str | None,
    min_steps: int,
    secs: float | None,
    steps: int | None,
) -> Any:
    folder = eval_dir or estimator.eval_dir()

    def stop() -> bool:
        # The whole history is read each time: after a resumption the decision is the same.
        best: tuple[int, float] | None = None
        for step, metrics in _with_metric(folder, name).items():
            if step < min_steps:
                continue
            if best is None or better(metrics[name], best[1]):
                best = step, metrics[name]
            elif step - best[0] >= patience:
                progress.info(
                    "No better %s than %s at step %d for %d steps", name, best[1], best[0], patience
                )
                return True
        return False

    return make_early_stopping_hook(estimator, stop, secs, steps)


def _with_metric(folder: str, name: str) -> dict[int, dict[str, float]]:
    """The evaluations that have a metric.

    Raises:
        ValueError: there are evaluations and none has it: the hook would never stop anything.
    """
    evaluations = read_eval_metrics(folder)
    found = {step: metrics for step, metrics in evaluations.items() if name in metrics}
    if evaluations and not found:
        known = sorted({one for metrics in evaluations.values() for one in metrics})
        expected = f"a metric of the evaluations in {folder}: {', '.join(known)}"
        raise ValueError(fault("early stopping: metric_name", name, expected, did_you_mean(name, known)))
    return found


def read_eval_metrics(eval_dir: str) -> dict[int, dict[str, float]]:
    """Step -> metric name -> value, in the order of steps, from the event files of ``eval_dir``."""
    found: dict[int, dict[str, float]] = {}
    flush_now(eval_dir)
    if not os.path.isdir(eval_dir):
        return {}
    for name in sorted(os.listdir(eval_dir)):
        if "tfevents" not in name:
            continue
        try:
            for event in v1.train.summary_iterator(os.path.join(eval_dir, name)):
                for value in event.summary.value:
                    if value.HasField("simple_value"):
                        found.setdefault(event.step, {})[value.tag] = value.simple_value
        except tf.errors.DataLossError:
            # The file is being written: its last record may be half there.
            continue
    return dict(sorted(found.items()))
