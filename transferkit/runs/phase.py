"""One phase of a run: an Estimator trains what is above the cut; the best state is kept."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.estimator import Estimator, NanLossDuringTrainingError, RunConfig
from transferkit.model_fn.epoch_mean import EpochMean
from transferkit.model_fn.network import Network
from transferkit.model_fn.transfer import make_model_fn
from transferkit.recipe import Phase
from transferkit.runs.history import History
from transferkit.runs.optimizer import phase_steps
from transferkit.runs.progress import Progress
from transferkit.runs.weights import read_weights, write_weights

__all__ = ["PhaseData", "train_phase"]


@dataclass(frozen=True)
class PhaseData:
    """What a phase reads.

    Attributes:
        train: ``epoch -> tf.data.Dataset`` of ``(features, labels)`` batches; the order of an epoch, counted
            from 0, is a function of the seed and the epoch alone.
        validation: ``() -> tf.data.Dataset`` of the validation images, each once.
        steps_per_epoch: batches in an epoch, the last partial one included.
    """

    train: Callable[[int], Any]
    validation: Callable[[], Any]
    steps_per_epoch: int


def train_phase(
    network: Network,
    phase: Phase,
    data: PhaseData,
    optimizer: Any,
    folder: Path,
    seed: int,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Trains one phase, or continues it, and leaves its best state in the network.

    The state before the phase counts among those to choose from, so a phase never ends below its start.

    Args:
        network: its weights are those that the phase starts from.
        phase: how to train.
        data: the batches.
        optimizer: a Keras optimizer, made for this phase.
        folder: of the phase: checkpoints, event files, history, best weights.
        seed: of the Estimator.
        progress: shows the epochs.

    Returns:
        The rows of the phase's history, one an epoch, the first being the state before it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stopping = phase.early_stopping
    history = History.open(folder / "history.jsonl", phase.metric)
    best_file = folder / "best.npz"
    train_loss = EpochMean(data.steps_per_epoch)
    estimator = Estimator(
        make_model_fn(network, optimizer, train_loss),
        model_dir=str(folder / "checkpoints"),
        config=RunConfig(tf_random_seed=seed, save_summary_steps=data.steps_per_epoch, keep_checkpoint_max=2),
    )
    total = phase_steps(phase, data.steps_per_epoch)
    epochs = -(-total // data.steps_per_epoch)
    began = time.monotonic()
    diverged = False

    def evaluate(epoch: int, seconds: float) -> None:
        with _averaged(phase, optimizer, network):
            _evaluate(epoch, seconds)

    def _evaluate(epoch: int, seconds: float) -> None:
        measured = estimator.evaluate(data.validation)
        row = {
            "epoch": epoch,
            "step": int(measured["global_step"]),
            "seconds": seconds,
            "loss": train_loss.result() if epoch else None,
            "val_loss": float(measured["average_loss"]),
            "val_accuracy": float(measured["accuracy"]),
        }
        # The weights are on disk before the row that names them: a kill between the two repeats the
        # evaluation, and its outcome is the same.
        if history.improves(row):
            write_weights(best_file, network.trainable_variables)
        history.append(row)

    if not history.rows:
        evaluate(0, 0.0)
    done = history.rows[-1]["step"]
    with progress.stage(f"train {phase.name}", total=total, unit="step", start=done) as stage:
        started = time.perf_counter()
        for epoch in range(history.rows[-1]["epoch"] + 1, epochs + 1):
            if stopping and history.should_stop(stopping.patience, stopping.min_delta):
                break
            if phase.time_budget and time.monotonic() - began > phase.time_budget:
                break
            until = min(epoch * data.steps_per_epoch, total)
            try:
                with stage.watching(lambda: (_steps(optimizer), {"loss": train_loss.result()})):
                    estimator.train(functools.partial(data.train, epoch - 1), max_steps=until)
            except NanLossDuringTrainingError:
                diverged = True
                progress.say(
                    f"phase {phase.name}: the loss became NaN in epoch {epoch}: it ends with its best state; "
                    f"its learning rate, {phase.optimizer.learning_rate:g}, is too high"
                )
                break
            if epoch % phase.evaluate_every and until < total:
                continue
            evaluate(epoch, time.perf_counter() - started)
            started = time.perf_counter()
            last = history.rows[-1]
            stage.update(until, **{key: last[key] for key in ("loss", "val_loss", "val_accuracy")})
    if phase.keep == "last" and phase.ema and not diverged:
        optimizer.finalize_variable_values(network.trainable_variables)
    if phase.keep == "best" or diverged:
        read_weights(best_file, network.trainable_variables)
    return history.rows


def _steps(optimizer: Any) -> int:
    return int(optimizer.iterations.numpy()) if optimizer.built else 0


@contextmanager
def _averaged(phase: Phase, optimizer: Any, network: Network) -> Iterator[None]:
    """With ``ema``, the running averages stand in the weights' place while they are evaluated and kept."""
    if phase.ema is None or not _steps(optimizer):
        yield
        return
    variables = network.trainable_variables
    own = [np.asarray(variable) for variable in variables]
    optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)
