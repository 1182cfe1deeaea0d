"""Hooks that end training when an evaluation's metric stops getting better.

They read the evaluations' event files, decide in Python, and ask the loop to stop; so they work under a
distribution strategy as on one device. Every worker of a cluster sees the same files and the same steps.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable
from dataclasses import dataclass
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


class _StopOnPredicate(tf.compat.v1.train.SessionRunHook):  # type: ignore[misc]
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
    watched = _Watched(estimator, metric_name, eval_dir, min_steps, run_every_secs, run_every_steps)
    return _threshold(watched, operator.gt, threshold)


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
    watched = _Watched(estimator, metric_name, eval_dir, min_steps, run_every_secs, run_every_steps)
    return _threshold(watched, operator.lt, threshold)


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
    watched = _Watched(estimator, metric_name, eval_dir, min_steps, run_every_secs, run_every_steps)
    return _no_better(watched, operator.gt, max_steps_without_increase)


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
    watched = _Watched(estimator, metric_name, eval_dir, min_steps, run_every_secs, run_every_steps)
    return _no_better(watched, operator.lt, max_steps_without_decrease)


@dataclass(frozen=True)
class _Watched:
    """A metric of an Estimator's evaluations, and how often it is looked at.

    Attributes:
        estimator: the Estimator.
        name: of the metric.
        eval_dir: folder of the event files; the Estimator's own where it is None.
        min_steps: global steps before which nothing counts.
        secs: seconds between two looks; or
        steps: steps between them.
    """

    estimator: Any
    name: str
    eval_dir: str | None
    min_steps: int
    secs: float | None
    steps: int | None

    def hook(self, should_stop: Callable[[list[tuple[int, float]]], bool]) -> Any:
        """The hook that stops when ``should_stop`` says so of all (step, value) so far, in order of steps."""
        folder = self.eval_dir or self.estimator.eval_dir()

        def stop() -> bool:
            # The whole history is read each time: after a resumption the decision is the same.
            found = _with_metric(folder, self.name).items()
            return should_stop([(step, row[self.name]) for step, row in found if step >= self.min_steps])

        return make_early_stopping_hook(self.estimator, stop, self.secs, self.steps)


def _threshold(watched: _Watched, better: Callable[[float, float], bool], threshold: float) -> Any:
    return watched.hook(lambda history: any(better(value, threshold) for _, value in history))


def _no_better(watched: _Watched, better: Callable[[float, float], bool], patience: int) -> Any:
    def stop(history: list[tuple[int, float]]) -> bool:
        best: tuple[int, float] | None = None
        for step, value in history:
            if best is None or better(value, best[1]):
                best = step, value
            elif step - best[0] >= patience:
                told = watched.name, best[1], best[0], patience
                progress.info("No better %s than %s at step %d for %d steps", *told)
                return True
        return False

    return watched.hook(stop)


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
