"""One phase of a run: an Estimator trains what is above the cut; the best state is kept.

A kept state is all that training changes (:attr:`Network.state_variables`), in one file. It is written before
the row of the history that names it: after a kill between the two the evaluation is repeated, with the same
outcome.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.devices import uncompiled
from transferkit.errors import UserError, fault
from transferkit.estimator.estimator import Estimator
from transferkit.estimator.loops.training import NanLossDuringTrainingError
from transferkit.estimator.run_config import RunConfig
from transferkit.estimator.summaries import tell_summaries
from transferkit.recipe import Phase
from transferkit.tensorflow_startup import on_accelerator
from transferkit.training.history import History
from transferkit.training.optimizer import phase_steps
from transferkit.training.phases.averages import averaged, steps_done
from transferkit.training.phases.kept_state import Kept, kept_row, prove
from transferkit.training.phases.phase_data import MOMENTS, PhaseData, PhaseSetup
from transferkit.training.phases.phase_hooks import CountImages, FollowHistory
from transferkit.training.phases.resumed_phase import align, fresh_judge, take_over
from transferkit.training.progress_stage import ProgressStage
from transferkit.training.shared_folder import same_folder
from transferkit.training.weight_files import read_weights, write_weights
from transferkit.transfer.epoch_mean import EpochMean
from transferkit.transfer.model_fn import make_model_fn
from transferkit.transfer.network import Network
from transferkit.type_names import NamedValues

__all__ = ["train_phase"]


def train_phase(
    network: Network, phase: Phase, data: PhaseData, setup: PhaseSetup
) -> tuple[list[NamedValues], Kept]:
    """Trains one phase, or continues it, and leaves its best state in the network.

    The state before the phase counts among those to choose from, so a phase never ends below its start.

    Args:
        network: its weights are those that the phase starts from.
        phase: how to train.
        data: the batches.
        setup: what it is trained with.

    Returns:
        The rows of the phase's history, one an evaluation, the first being the state before it; and which of
        them the network is left in.

    Raises:
        KeptStateError: the network, measured again, is not in that state.
    """
    training = _Training(network, phase, data, setup)
    training.begin()
    training.run()
    return training.history.rows, training.leave_kept()


class _Training:
    """One phase under way. Arguments as of :func:`train_phase`."""

    def __init__(self, network: Network, phase: Phase, data: PhaseData, setup: PhaseSetup) -> None:
        self.network, self.phase, self.data, self.setup = network, phase, data, setup
        folder = setup.folder
        folder.mkdir(parents=True, exist_ok=True)
        self.cluster = setup.devices.cluster
        self.over_workers: Callable[[tf.Tensor], tf.Tensor] | None = None
        if self.cluster is not None:
            same_folder(self.cluster, folder)
            self.over_workers = functools.partial(self.cluster.total_in_graph, key=self.cluster.key())
        self.history = History.open(folder / "history.jsonl", phase.metric)
        self.best_file, self.last_file = folder / "best.npz", folder / "last.npz"
        with setup.devices.scope():
            self.train_loss = EpochMean(data.steps_per_epoch)
        self.compiled = setup.devices.jit_compile
        self._open()
        self.total = phase_steps(phase, data.steps_per_epoch)
        self.epochs = -(-self.total // data.steps_per_epoch)
        self.began = time.monotonic()
        self.diverged = self.trained_here = False
        follows = setup.rate.schedule.uses_metrics
        self.hooks: list[Any] = [FollowHistory(setup.rate, self.history)] if follows else []

    def _open(self) -> None:
        """Makes the Estimator."""
        network, setup = self.network, self.setup
        distribution = {**setup.devices.run_config(), "jit_compile": self.compiled}
        self.estimator = Estimator(
            make_model_fn(network, setup.optimizer, self.train_loss, self.over_workers),
            model_dir=str(setup.folder / "checkpoints"),
            config=RunConfig(
                tf_random_seed=setup.seed,
                save_summary_steps=setup.summary_every,
                keep_checkpoint_max=2,
                checkpoint_save_graph_def=False,
                **distribution,
            ),
        )
        tell_summaries(self.estimator, setup.tell_step)
        # What evaluates: the estimator, where it is what holds the network's state.
        self.judge = self.estimator

    def _with_xla(self, work: Callable[[], Any]) -> Any:
        """Does some work whose steps XLA may compile; without XLA where it cannot, which is then said.

        Nothing of a step has run when its compilation fails.

        Raises:
            UserError: it cannot, and the recipe asks for it.
        """
        try:
            return work()
        except tf.errors.OpError as error:
            reason = uncompiled(error)
            if not self.compiled or reason is None:
                raise
            if not self.setup.devices.may_fall_back:
                hint = 'devices.xla = "auto" goes on without it'
                raise UserError(
                    fault("devices.xla", True, "steps that XLA can compile", f"{reason}; {hint}")
                ) from None
        self.setup.progress.say(
            f"phase {self.phase.name}: XLA cannot compile its steps, which run without it: {reason}"
        )
        self.compiled = False
        self._open()
        return work()

    def begin(self) -> None:
        """Takes up what an earlier process left."""
        if not self.setup.optimizer.built:
            with self.setup.devices.scope():
                self.setup.optimizer.build(self.network.trainable_variables)
        if self.history.rows:
            align(self.history, self.setup.folder / "checkpoints", self.phase.name, self.setup.progress)
        elif self.cluster is not None:
            # Machines of other kinds may have rounded otherwise.
            self.cluster.settle([*self.network.standardise.variables, *self.network.state_variables])
        # Steps of earlier processes.
        self.done = self.history.rows[-1]["step"] if self.history.rows else 0

    def run(self) -> None:
        """Trains the epochs that are left, until one of the phase's ends is reached."""
        phase, progress = self.phase, self.setup.progress
        # The one phase of a recipe without phases has the stage's own name.
        name = "train" if phase.name == "train" else f"train {phase.name}"
        with progress.stage(name, total=self.total, unit="step", start=self.done) as stage:
            progress.phase = phase.name
            progress.begin_epochs(phase.name, self.history.rows)
            if not self.history.rows:
                self._evaluate(0, 0.0, stage)
            self._run_epochs(stage)
            kept = kept_row(self.history, phase.keep == "last" and not self.diverged)
            ended = f"{stage.note}; " if stage.note else ""
            figures = f"val loss {kept['val_loss']:.4g}, val accuracy {kept['val_accuracy']:.3f}"
            stage.facts.clear()  # of the last epoch; the kept one is another
            stage.note = f"{ended}kept epoch {kept['epoch']}, {figures}"

    def _run_epochs(self, stage: ProgressStage) -> None:
        started = time.perf_counter()
        for epoch in range(self.history.rows[-1]["epoch"] + 1, self.epochs + 1):
            if self._is_over(epoch, started, stage):
                break
            until = min(epoch * self.data.steps_per_epoch, self.total)
            if not self._train(epoch, until, stage):
                break
            if epoch % self.phase.evaluate_every and until < self.total:
                continue
            self._evaluate(epoch, time.perf_counter() - started, stage)
            started = time.perf_counter()
            stage.update(until, loss=self.history.rows[-1]["loss"])

    def leave_kept(self) -> Kept:
        """Puts the kept state into the network, and measures that it is the one."""
        keeps_last = self.phase.keep == "last" and not self.diverged
        kept_file = self.last_file if keeps_last else self.best_file
        read_weights(kept_file, self.network.state_variables)
        if not self.trained_here or self.diverged:
            # An Estimator that has trained nothing would read its newest checkpoint over the kept state.
            self.judge = fresh_judge(self.network, self.setup, self.compiled)
        exact = not on_accelerator() and not self.phase.mixed_precision
        if self.cluster is None or self.cluster.is_chief:
            measured = self.judge.evaluate(self.data.validation)
        else:
            row = kept_row(self.history, keeps_last)
            measured = {"average_loss": row["val_loss"], "accuracy": row["val_accuracy"]}
        variables = self.network.cut.trainable_variables
        return prove(self.phase.name, self.history, keeps_last, measured, exact, variables)

    def _is_over(self, epoch: int, started: float, stage: ProgressStage) -> bool:
        """Whether the phase ends before this epoch; where its time is up, its last epoch is measured."""
        stopping, rows = self.phase.early_stopping, self.history.rows
        if stopping and self.history.should_stop(stopping.patience, stopping.min_delta, stopping.metric):
            stage.note = f"stopped early after epoch {rows[-1]['epoch']} of {self.epochs}"
            return True
        if not self.phase.time_budget:
            return False
        passed = time.monotonic() - self.began
        if self.cluster is not None:
            passed = self.cluster.share(passed)
        if passed <= self.phase.time_budget:
            return False
        if rows[-1]["epoch"] < epoch - 1:
            self._evaluate(epoch - 1, time.perf_counter() - started, stage)
        stage.note = f"out of time after epoch {epoch - 1} of {self.epochs}"
        return True

    def _train(self, epoch: int, until: int, stage: ProgressStage) -> bool:
        """Trains one epoch; False where the loss became NaN."""
        optimizer, phase = self.setup.optimizer, self.phase
        self.setup.rate.follow(self.history)
        batches = functools.partial(self.data.train, epoch - 1)
        try:
            with stage.watching(lambda: (steps_done(optimizer), _shown(self.train_loss))):
                self._with_xla(lambda: self.estimator.train(batches, hooks=self.hooks, max_steps=until))
        except NanLossDuringTrainingError:
            self.diverged = True
            self.setup.progress.say(
                f"phase {phase.name}: the loss became NaN in epoch {epoch}: it ends with its best state; "
                f"its learning rate, {phase.optimizer.learning_rate:g}, is too high",
                "bad",
            )
            return False
        if steps_done(optimizer) < until:
            # An earlier process trained this epoch and was killed before it had evaluated it: there was
            # nothing to train, so nothing has been read yet.
            variables = [*optimizer.variables, *self.train_loss.variables]
            if self.cluster is None or self.cluster.is_chief:
                take_over(self.estimator, self.data, self.network, variables)
            if self.cluster is not None:
                self.cluster.settle([*self.network.state_variables, *variables])
            self.judge = fresh_judge(self.network, self.setup, self.compiled)
        else:
            self.hooks, self.judge, self.trained_here = [], self.estimator, True
        return True

    def _evaluate(self, epoch: int, seconds: float, stage: ProgressStage) -> None:
        """Measures the state after an epoch, keeps it where it is the best or the last, and notes it."""
        with averaged(self.phase, self.setup.optimizer, self.network):
            if self.cluster is None:
                self._keep(self._measured(epoch, seconds, stage))
            else:
                row = self._measured(epoch, seconds, stage) if self.cluster.is_chief else None
                self._keep(self.cluster.share(row))

    def _measured(self, epoch: int, seconds: float, stage: ProgressStage) -> NamedValues:
        """The history's row of the state as it is."""
        step = min(epoch * self.data.steps_per_epoch, self.total)
        with stage.counting("validate", self.data.validation_images) as count:
            hooks = [CountImages(count, self.data.validation_batch)] if count is not None else None
            measured = self._with_xla(lambda: self.judge.evaluate(self.data.validation, hooks=hooks))
        row = {
            "epoch": epoch,
            "step": step,
            "seconds": seconds,
            "loss": self.train_loss.result() if epoch else None,
            "val_loss": float(measured["average_loss"]),
            "accuracy": self.train_loss.accuracy() if epoch else None,
            "val_accuracy": float(measured["accuracy"]),
        }
        if epoch:
            row["learning_rate"] = self.setup.rate.value(step - 1, self.history)
        if self.data.measure is not None:
            found = self.data.measure(self._predicted())
            row.update({f"val_{name}": value for name, value in found.items()})
        return row

    def _keep(self, row: NamedValues) -> None:
        """Keeps the state that a row is of, says the row and notes it."""
        improved = self.history.improves(row)
        keeps_last = self.phase.keep == "last"
        if self.setup.slots is not None and (improved or keeps_last):
            self.setup.slots.write(self.setup.folder / MOMENTS)
        if improved:
            write_weights(self.best_file, self.network.state_variables)
        if keeps_last:
            write_weights(self.last_file, self.network.state_variables)
        self.history.append(row)
        epoch = row["epoch"]
        left = _left(self.history, self.epochs, self.done) if epoch < self.epochs else 0.0
        self.setup.progress.end_epoch(row, self.epochs, improved, left)
        if self.setup.tell is not None:
            self.setup.tell(row)

    def _predicted(self) -> np.ndarray:
        """Probabilities of the validation images, float32 ``[N, classes]``."""
        batches = self.judge.predict(
            self.data.predicted or self.data.validation,
            predict_keys=["probabilities"],
            yield_single_examples=False,
        )
        found = np.concatenate([np.asarray(batch["probabilities"]) for batch in batches])
        return found[: self.data.validation_images]  # without what fills the last batch up


def _left(history: History, epochs: int, done: int) -> float | None:
    """Seconds that a phase takes still, at the pace of the epochs of this process."""
    rows = [row for row in history.rows if row["step"] > done]
    if not rows:
        return None
    before = max((row["epoch"] for row in history.rows if row["step"] <= done), default=0)
    last = rows[-1]["epoch"]
    result: float = sum(row["seconds"] for row in rows) / (last - before) * (epochs - last)
    return result


def _shown(train_loss: EpochMean) -> dict[str, float]:
    return {"loss": train_loss.result()} if train_loss.has_steps else {}
