"""The steps of a learning-rate range test, trained by an Estimator as a phase is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.estimator.estimator import Estimator
from transferkit.estimator.loops.training import NanLossDuringTrainingError
from transferkit.estimator.run_config import RunConfig
from transferkit.estimator.spec import EstimatorSpec, ModeKeys
from transferkit.recipe import Recipe
from transferkit.schedules import Schedule, Span, as_keras
from transferkit.training.images import Images
from transferkit.training.loop import PhaseStart, train
from transferkit.training.parts import Parts, open_parts
from transferkit.training.progress import Progress
from transferkit.training.training_job import TrainingJob
from transferkit.transfer.model_fn import make_model_fn
from transferkit.type_names import Tensor, Tensors

__all__ = ["range_test"]

# The loss has left for good when it is so many times its minimum.
_GONE, _EARLIEST = 4.0, 10


class _Listed(Schedule):
    """Rates as they are listed."""

    rates: tuple[float, ...]

    def rate(self, step: float, span: Span) -> float:
        return self.rates[min(int(step), len(self.rates) - 1)]


def range_test(
    recipe: Recipe, images: Images, rates: np.ndarray, folder: Path, progress: Progress
) -> np.ndarray:
    """Trains the phases before the last one, then the last one with rising rates.

    Args:
        recipe: its last phase is the one to test.
        images: what to train on.
        rates: float64 ``[steps]``.
        folder: for checkpoints; nothing in it is needed afterwards.
        progress: shows the stages.

    Returns:
        The loss of each step, float64 ``[N]``, ``N`` at most ``steps``.

    Raises:
        UserError: as :func:`transferkit.training.loop.train` says.
    """
    losses: list[float] = []

    def test(phase_start: PhaseStart) -> None:
        with progress.stage("range test", total=len(rates), unit="step") as stage:
            try:
                _test(phase_start, rates, losses, folder, parts)
            except NanLossDuringTrainingError:
                progress.say(
                    f"the loss became NaN at a rate of {rates[min(len(losses), len(rates) - 1)]:.2g}"
                )
            stage.update(len(losses))

    with progress.stage("backbone", doing="building it and loading its weights"):
        parts = open_parts(recipe, images.classes)
    train(TrainingJob(recipe, images, parts, lambda decoded, parts: folder, progress), instead=test)
    found = np.asarray(losses)
    result: np.ndarray = found[np.isfinite(found)]
    return result


def _test(
    phase_start: PhaseStart, rates: np.ndarray, losses: list[float], folder: Path, parts: Parts
) -> None:
    data, optimizer = phase_start.data, phase_start.optimizer
    schedule = _Listed(rates=tuple(rates.tolist()))
    optimizer.learning_rate = as_keras(schedule, Span(float(rates[0]), len(rates), data.steps_per_epoch))
    estimator = Estimator(
        _with_hook(make_model_fn(phase_start.network, optimizer), losses),
        model_dir=str(folder / "range"),
        config=RunConfig(
            tf_random_seed=parts.recipe.seed,
            save_summary_steps=None,
            save_checkpoints_secs=None,
            checkpoint_save_graph_def=False,
            **parts.devices.run_config(),
        ),
    )

    def batches() -> tf.data.Dataset:
        found = data.train(0)
        for epoch in range(1, -(-len(rates) // data.steps_per_epoch)):
            found = found.concatenate(data.train(epoch))
        return found

    estimator.train(batches, max_steps=len(rates))


def _with_hook(model_fn: Callable[..., EstimatorSpec], losses: list[float]) -> Callable[..., EstimatorSpec]:
    def noted(features: Tensors, labels: Tensors, mode: str) -> EstimatorSpec:
        spec = model_fn(features, labels, mode)
        return spec._replace(training_hooks=(_Losses(spec.loss, losses),)) if mode == ModeKeys.TRAIN else spec

    return noted


class _Losses(tf.compat.v1.train.SessionRunHook):  # type: ignore[misc]
    """Notes the loss of every step, and ends the test when it has left for good."""

    def __init__(self, loss: Tensor, losses: list[float]) -> None:
        self._loss, self._losses = loss, losses
        self._average = 0.0
        self._least = np.inf

    def before_run(self, run_context: Any) -> Any:
        return tf.compat.v1.train.SessionRunArgs(self._loss)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        loss = float(run_values.results)
        self._losses.append(loss)
        self._average = 0.9 * self._average + 0.1 * loss
        smoothed = self._average / (1 - 0.9 ** len(self._losses))
        self._least = min(self._least, smoothed)
        if len(self._losses) > _EARLIEST and smoothed > _GONE * self._least:
            run_context.request_stop()
