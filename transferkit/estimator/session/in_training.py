"""Hooks that look at checkpoints or evaluate while training goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.checkpoints import checkpoint_files
from transferkit.estimator.session.hooks import check_hooks
from transferkit.estimator.summaries import flush_now

__all__ = ["InMemoryEvaluatorHook", "make_stop_at_checkpoint_step_hook"]

v1 = tf.compat.v1


class InMemoryEvaluatorHook(tf.compat.v1.train.SessionRunHook):  # type: ignore[misc]
    """Evaluates the weights of a training as they are, without a checkpoint: at its begin, often, at its end.

    Args:
        estimator: the Estimator that trains.
        input_fn: as that of ``evaluate``.
        steps: likewise.
        hooks: likewise.
        name: likewise.
        every_n_iter: steps between two evaluations.

    Raises:
        ValueError: where ``every_n_iter`` is not positive, or there are several workers; in training, where
            the evaluation's scaffold has a saver or an ``init_fn``, which would put other values in place.
    """

    def __init__(
        self,
        estimator: Any,
        input_fn: Callable[..., Any],
        steps: int | None = None,
        hooks: Any = None,
        name: str | None = None,
        every_n_iter: int = 100,
    ) -> None:
        if every_n_iter is None or every_n_iter <= 0:
            raise ValueError(f"invalid every_n_iter={every_n_iter}.")
        config = estimator.config
        if config.num_ps_replicas > 0 or config.num_worker_replicas > 1:
            hint = "InMemoryEvaluator supports only single machine (aka Local) setting."
            raise ValueError(fault("InMemoryEvaluatorHook", None, None, hint))
        self._estimator, self._input_fn = estimator, input_fn
        self._rest = {"steps": steps, "hooks": check_hooks(hooks), "name": name}
        self._timer = v1.train.SecondOrStepTimer(every_steps=every_n_iter)
        self._count = 0

    def begin(self) -> None:
        self._timer.reset()
        self._count = 0

    def after_create_session(self, session: Any, coord: Any) -> None:
        self._evaluate()

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._count += 1
        if self._timer.should_trigger_for_step(self._count):
            self._evaluate()

    def end(self, session: Any) -> None:
        self._evaluate()
        # Whoever trained so looks at the curve next.
        flush_now(self._estimator.eval_dir(self._rest["name"]))

    def _evaluate(self) -> None:
        with self._estimator._engine.in_memory():
            self._estimator.evaluate(self._input_fn, **self._rest)
        self._timer.update_last_triggered_step(self._count)


class _StopAtCheckpointStepHook(tf.compat.v1.train.SessionRunHook):  # type: ignore[misc]
    """Ends a worker's training once the chief has written a checkpoint of the last step."""

    def __init__(self, model_dir: str, last_step: int, wait: float) -> None:
        self._model_dir, self._last_step, self._wait = model_dir, last_step, wait
        self._step: Any = None

    def begin(self) -> None:
        self._step = v1.train.get_global_step()

    def before_run(self, run_context: Any) -> Any:
        return v1.train.SessionRunArgs(self._step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        if int(np.asarray(run_values.results)) + 1 < self._last_step:
            return
        found = checkpoint_files.latest(self._model_dir)
        if found is not None and checkpoint_files.step_of(found) >= self._last_step:
            run_context.request_stop()
        else:
            time.sleep(self._wait)


def make_stop_at_checkpoint_step_hook(
    estimator: Any, last_step: int, wait_after_file_check_secs: float = 30
) -> Any:
    """A hook that ends training at ``last_step``: the chief's at the step, a worker's at its checkpoint.

    Args:
        estimator: the Estimator.
        last_step: the global step.
        wait_after_file_check_secs: seconds a worker waits after it has looked for the checkpoint.

    Raises:
        ValueError: where ``last_step`` is None.
    """
    if last_step is None:
        raise ValueError(fault("last_step", None, None, "last_step must be specified."))
    if estimator.config.is_chief:
        return v1.train.StopAtStepHook(last_step=last_step)
    return _StopAtCheckpointStepHook(estimator.model_dir, last_step, wait_after_file_check_secs)
