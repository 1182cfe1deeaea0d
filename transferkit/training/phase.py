"""One phase of a run: an Estimator trains what is above the cut; the best state is kept.

A kept state is all that training changes (:attr:`Network.state_variables`), in one file. It is written before
the row of the history that names it: after a kill between the two the evaluation is repeated, with the same
outcome.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.estimator import Estimator, NanLossDuringTrainingError, RunConfig
from transferkit.estimator.checkpoints.checkpoints import newest_whole, step_of
from transferkit.estimator.summaries import tell_summaries
from transferkit.optimizers import Slots, batches_seen
from transferkit.recipe import Phase
from transferkit.tensorflow_startup import on_accelerator
from transferkit.training.epoch_lines import HEADER, epoch_line
from transferkit.training.history import History
from transferkit.training.kept_state import Kept, kept_row, prove
from transferkit.training.optimizer import Rate, phase_steps
from transferkit.training.progress import Progress
from transferkit.training.validation import Measure
from transferkit.training.weight_files import read_weights, write_weights
from transferkit.transfer.epoch_mean import EpochMean
from transferkit.transfer.model_fn import make_model_fn
from transferkit.transfer.network import Network

__all__ = ["MOMENTS", "PhaseData", "train_phase"]

# The moments of the optimizer that belong to the weights that the phase ends with.
MOMENTS = "moments.npz"


@dataclass(frozen=True)
class PhaseData:
    """What a phase reads.

    Attributes:
        train: ``epoch -> tf.data.Dataset`` of ``(features, labels)`` batches; the order of an epoch, counted
            from 0, is a function of the seed and the epoch alone.
        validation: ``() -> tf.data.Dataset`` of the validation images, each once.
        steps_per_epoch: batches in an epoch, the last partial one included.
        validation_images: how many there are, in batches of ``validation_batch``.
        validation_batch: see there.
        measure: the figures that need the predictions of the validation images, or None.
    """

    train: Callable[[int], Any]
    validation: Callable[[], Any]
    steps_per_epoch: int
    validation_images: int = 0
    validation_batch: int = 1
    measure: Measure | None = None


def train_phase(
    network: Network,
    phase: Phase,
    data: PhaseData,
    optimizer: Any,
    rate: Rate,
    folder: Path,
    seed: int,
    progress: Progress,
    *,
    slots: Slots | None = None,
    summary_every: int = 100,
    tell: Callable[[dict[str, Any]], None] | None = None,
    tell_step: Callable[[int, dict[str, float]], None] | None = None,
) -> tuple[list[dict[str, Any]], Kept]:
    """Trains one phase, or continues it, and leaves its best state in the network.

    The state before the phase counts among those to choose from, so a phase never ends below its start.

    Args:
        network: its weights are those that the phase starts from.
        phase: how to train.
        data: the batches.
        optimizer: a Keras optimizer, made for this phase.
        rate: its learning rate.
        folder: of the phase: checkpoints, event files, history, best weights.
        seed: of the Estimator.
        progress: shows the epochs.
        slots: the optimizer's moments, where the next phase wants them: they are kept with the weights.
        summary_every: steps between two points of TensorBoard's training curves.
        tell: is given every new row of the history.
        tell_step: is given loss and rate of single steps, one in ``summary_every``.

    Returns:
        The rows of the phase's history, one an evaluation, the first being the state before it; and which of
        them the network is left in.

    Raises:
        KeptStateError: the network, measured again, is not in that state.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stopping = phase.early_stopping
    history = History.open(folder / "history.jsonl", phase.metric)
    best_file, last_file = folder / "best.npz", folder / "last.npz"
    train_loss = EpochMean(data.steps_per_epoch)
    estimator = Estimator(
        make_model_fn(network, optimizer, train_loss),
        model_dir=str(folder / "checkpoints"),
        config=RunConfig(
            tf_random_seed=seed,
            save_summary_steps=summary_every,
            keep_checkpoint_max=2,
            checkpoint_save_graph_def=False,
        ),
    )
    tell_summaries(estimator, tell_step)
    total = phase_steps(phase, data.steps_per_epoch)
    epochs = -(-total // data.steps_per_epoch)
    began = time.monotonic()
    diverged = trained_here = False

    judge = estimator

    def evaluate(epoch: int, seconds: float) -> None:
        with _averaged(phase, optimizer, network):
            _evaluate(epoch, min(epoch * data.steps_per_epoch, total), seconds)

    def _evaluate(epoch: int, step: int, seconds: float) -> None:
        with stage.counting("validate", data.validation_images) as count:
            hooks = [_Counting(count, data.validation_batch)] if count is not None else None
            measured = judge.evaluate(data.validation, hooks=hooks)
        row = {
            "epoch": epoch,
            "step": step,
            "seconds": seconds,
            "loss": train_loss.result() if epoch else None,
            "val_loss": float(measured["average_loss"]),
            "accuracy": train_loss.accuracy() if epoch else None,
            "val_accuracy": float(measured["accuracy"]),
        }
        if epoch:
            row["learning_rate"] = rate.value(step - 1, history)
        if data.measure is not None:
            row.update({f"val_{name}": value for name, value in data.measure(_predicted()).items()})
        improved = history.improves(row)
        if slots is not None and (improved or phase.keep == "last"):
            slots.write(folder / MOMENTS)
        if improved:
            write_weights(best_file, network.state_variables)
        if phase.keep == "last":
            write_weights(last_file, network.state_variables)
        history.append(row)
        if epoch:
            left = _left(history, epochs, done) if epoch < epochs else 0.0
            progress.say(epoch_line(row, epochs, improved, left), "good" if improved else None)
        if tell is not None:
            tell(row)

    def _predicted() -> np.ndarray:
        batches = judge.predict(data.validation, predict_keys=["probabilities"], yield_single_examples=False)
        return np.concatenate([np.asarray(batch["probabilities"]) for batch in batches])

    if not optimizer.built:
        optimizer.build(network.trainable_variables)
    if history.rows:
        _align(history, folder / "checkpoints", phase.name, progress)
    done = history.rows[-1]["step"] if history.rows else 0
    hooks: list[Any] = [_Following(rate, history)] if rate.schedule.uses_metrics else []
    # The one phase of a recipe without phases has the stage's own name.
    name = "train" if phase.name == "train" else f"train {phase.name}"
    with progress.stage(name, total=total, unit="step", start=done) as stage:
        if not history.rows:
            evaluate(0, 0.0)
        progress.say(HEADER)
        started = time.perf_counter()
        for epoch in range(history.rows[-1]["epoch"] + 1, epochs + 1):
            if stopping and history.should_stop(stopping.patience, stopping.min_delta, stopping.metric):
                stage.note = f"stopped early after epoch {history.rows[-1]['epoch']} of {epochs}"
                break
            if phase.time_budget and time.monotonic() - began > phase.time_budget:
                if history.rows[-1]["epoch"] < epoch - 1:
                    evaluate(epoch - 1, time.perf_counter() - started)
                stage.note = f"out of time after epoch {epoch - 1} of {epochs}"
                break
            until = min(epoch * data.steps_per_epoch, total)
            rate.follow(history)
            try:
                with stage.watching(lambda: (_steps(optimizer), _shown(train_loss))):
                    estimator.train(functools.partial(data.train, epoch - 1), hooks=hooks, max_steps=until)
            except NanLossDuringTrainingError:
                diverged = True
                progress.say(
                    f"phase {phase.name}: the loss became NaN in epoch {epoch}: it ends with its best state; "
                    f"its learning rate, {phase.optimizer.learning_rate:g}, is too high",
                    "bad",
                )
                break
            if _steps(optimizer) < until:
                # An earlier process trained this epoch and was killed before it had evaluated it: there was
                # nothing to train, so nothing has been read yet.
                _take_over(estimator, data, network, [*optimizer.variables, *train_loss.variables])
                judge = _fresh(network, folder)
            else:
                hooks, judge, trained_here = [], estimator, True
            if epoch % phase.evaluate_every and until < total:
                continue
            evaluate(epoch, time.perf_counter() - started)
            started = time.perf_counter()
            last = history.rows[-1]
            stage.update(until, loss=last["loss"])
        kept_one = kept_row(history, phase.keep == "last" and not diverged)
        ended = f"{stage.note}; " if stage.note else ""
        figures = f"val loss {kept_one['val_loss']:.4g}, val accuracy {kept_one['val_accuracy']:.3f}"
        stage.facts.clear()  # of the last epoch; the kept one is another
        stage.note = f"{ended}kept epoch {kept_one['epoch']}, {figures}"
    keeps_last = phase.keep == "last" and not diverged
    read_weights(last_file if keeps_last else best_file, network.state_variables)
    if not trained_here or diverged:
        # An Estimator that has trained nothing would read its newest checkpoint over the kept state.
        judge = _fresh(network, folder)
    exact = not on_accelerator() and not phase.mixed_precision
    backbone = network.cut.trainable_variables
    kept = prove(phase.name, history, keeps_last, judge.evaluate(data.validation), exact, backbone)
    return history.rows, kept


class _Counting(tf.compat.v1.train.SessionRunHook):
    """Tells a bar how many images of an evaluation are done."""

    def __init__(self, count: Callable[[int], None], batch: int) -> None:
        self._count, self._batch, self._done = count, batch, 0

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._done += self._batch
        self._count(self._done)


def _left(history: History, epochs: int, done: int) -> float | None:
    """Seconds that a phase takes still, at the pace of the epochs of this process."""
    rows = [row for row in history.rows if row["step"] > done]
    if not rows:
        return None
    before = max((row["epoch"] for row in history.rows if row["step"] <= done), default=0)
    last = rows[-1]["epoch"]
    return sum(row["seconds"] for row in rows) / (last - before) * (epochs - last)


class _Following(tf.compat.v1.train.SessionRunHook):
    """Sets a listening schedule's rate once a checkpoint has been read, which may hold an earlier one.

    Only the history says what the rate is: a process may have been killed after a checkpoint and before the
    evaluation that ends a plateau.
    """

    def __init__(self, rate: Rate, history: History) -> None:
        self._rate, self._history = rate, history

    def after_create_session(self, session: Any, coord: Any) -> None:
        with tf.init_scope():
            self._rate.follow(self._history)


def _align(history: History, checkpoints: Path, name: str, progress: Progress) -> None:
    """Takes a history back to the newest checkpoint that can be read, from where training goes on.

    Where that is an earlier one, because the newest is damaged or missing, its epochs are trained again, with
    the same outcome.
    """
    newest = newest_whole(str(checkpoints), set())
    dropped = history.go_back(0 if newest is None else max(0, step_of(newest)))
    if dropped:
        progress.say(f"phase {name}: its newest checkpoint is damaged or missing: {dropped} epochs again")


def _shown(train_loss: EpochMean) -> dict[str, float]:
    return {"loss": train_loss.result()} if train_loss.has_steps else {}


def _steps(optimizer: Any) -> int:
    return int(batches_seen(optimizer).numpy())


def _fresh(network: Network, folder: Path) -> Estimator:
    """An Estimator for the network as it is: it finds no checkpoint to read."""
    judge = Estimator(make_model_fn(network), model_dir=str(folder / "evaluation"))
    tell_summaries(judge, None)
    return judge


def _take_over(estimator: Estimator, data: PhaseData, network: Network, variables: list[Any]) -> None:
    """Reads the newest checkpoint where no training does it: the network's state, then these variables.

    After this another Estimator must evaluate, which finds the weights as they are: this one would read its
    checkpoint again, over any averages that stand in the weights' place.
    """
    estimator.evaluate(data.validation)
    # What an evaluation has no use for, such as the state of dropout's random numbers; a layer that draws
    # nothing in training has none in the checkpoint.
    saved = set(estimator.get_variable_names())
    drawn = [one for one in network.state_variables if getattr(one, "path", None) in saved]
    for variable in [*drawn, *variables]:
        variable.assign(estimator.get_variable_value(variable.path))


@contextmanager
def _averaged(phase: Phase, optimizer: Any, network: Network) -> Iterator[None]:
    """With ``ema``, the running averages stand in the weights' place while they are evaluated and kept.

    Statistics of normalisation are running averages already: they are kept as they were evaluated.
    """
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
