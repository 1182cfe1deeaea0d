"""All phases of a run, one after the other: what is trained, before it is evaluated and exported."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.activations.division import Division
from transferkit.errors import UserError, fault
from transferkit.freezing import FreezePlan, Proof
from transferkit.optimizers import Slots, make_optimizer
from transferkit.recipe import Phase, Recipe, check_with
from transferkit.training.cut_features import CutFeatures, evaluation_batch, extract_features
from transferkit.training.divided_pass import Shares
from transferkit.training.fit_features import fit_features
from transferkit.training.images import Images
from transferkit.training.optimizer import Rate, build_optimizer
from transferkit.training.parts import Parts
from transferkit.training.phase import train_phase
from transferkit.training.phases.kept_state import Kept
from transferkit.training.phases.phase_data import MOMENTS, PhaseData, PhaseSetup
from transferkit.training.training_job import Tell, TrainingJob
from transferkit.training.training_result import Trained
from transferkit.training.validation import measure
from transferkit.transfer.network import Network
from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = ["Fitted", "PhaseStart", "check_parts", "train"]


@dataclass(frozen=True)
class Fitted:
    """What training leaves.

    Attributes:
        trained: the record of it; its images are those that could be decoded.
        network: of the last phase, with the weights that the run ends with.
        cut_features: the images at that network's cut.
        folder: of the run, still partial.
    """

    trained: Trained
    network: Network
    cut_features: CutFeatures
    folder: Path


@dataclass(frozen=True)
class PhaseStart:
    """A phase that is about to train.

    Attributes:
        phase: what the recipe says.
        network: with the weights that the phase starts from.
        data: its batches.
        optimizer: made for it.
    """

    phase: Phase
    network: Network
    data: PhaseData
    optimizer: keras.Optimizer


def train(job: TrainingJob, instead: Callable[[PhaseStart], None] | None = None) -> Fitted:
    """Trains all phases of a recipe, or takes up where an earlier process left them.

    Args:
        job: what is trained, and who is told of it.
        instead: what to do with the last phase instead of training it.

    Raises:
        UserError: recipe, data and backbone do not go together; nothing was trained then.
    """
    check_parts(job.recipe, job.images, job.parts)
    return _Phases(job).run(instead)


class _Phases:
    """The phases of a run under way. Arguments as of :func:`train`."""

    def __init__(self, job: TrainingJob) -> None:
        self.job, self.images = job, job.images
        # All phases are planned before the first one trains: a name that the backbone lacks is found at once.
        self.plans = [(phase, job.parts.plan(phase)) for phase in job.recipe.resolved_phases]
        self.proof = Proof()
        cluster = job.parts.devices.cluster
        self.shares = None if cluster is None else Shares(cluster, job.recipe)
        self.samples = len(job.images.of_split("train"))
        self.folder: Path | None = None
        self.history: list[NamedValues] = []
        self.kept: list[Kept] = []
        # Steps of the phases that are done, and the moments that the last of them left, with their variables.
        self.steps = 0
        self.before: tuple[Path, list[Any]] | None = None

    def run(self, instead: Callable[[PhaseStart], None] | None) -> Fitted:
        """Trains one phase after the other."""
        for number in range(len(self.plans)):
            network, cut_features = self._open(number)
            if network.head.closed_form:
                break
            start, rate = self._start(number, network, cut_features)
            if instead is not None and number == len(self.plans) - 1:
                instead(start)
                break
            self._train(number, start, rate, cut_features)
        assert self.folder is not None  # noqa: S101 -- for the type checker: a recipe has a phase
        job = self.job
        trained = Trained(
            job.recipe, self.images, job.parts, self.plans, self.history, self.kept, self.proof.check()
        )
        return Fitted(trained, network, cut_features, self.folder)

    def _network(self, number: int) -> Network:
        phase, plan = self.plans[number]
        return self.job.parts.network(phase, plan, self.images.train_counts, self.samples)

    def _open(self, number: int) -> tuple[Network, CutFeatures]:
        """The network of a phase and the images at its cut; before the first one, what is fitted at once."""
        job, network = self.job, self._network(number)
        self.proof.watch(network.cut)
        if job.given is not None:
            cut_features = job.given
        else:
            self.images, cut_features = extract_features(
                network.cut,
                job.parts.backbone.input_size,
                self.images,
                job.recipe,
                job.progress,
                use="training" if number else "fitting",
                shares=self.shares,
            )
        if cut_features.direct is not None:
            network.mix = cut_features.mix
        if self.folder is not None:
            return network, cut_features
        self.folder = job.open_folder(self.images, job.parts)
        if job.given is not None and not network.head.closed_form:
            return network, cut_features
        fitted = fit_features(network, cut_features, self.images, job.parts, job.progress)
        if fitted is None:
            return network, cut_features
        # The head may read fewer levels than it chose from, and has its own layer.
        phase, _ = self.plans[number]
        self.plans[number] = phase, job.parts.plan(phase)
        return self._network(number), fitted

    def _start(self, number: int, network: Network, cut_features: CutFeatures) -> tuple[PhaseStart, Rate]:
        """A phase with its batches and its optimizer."""
        phase, plan = self.plans[number]
        seed, devices = self.job.recipe.seed, self.job.parts.devices
        replicas = devices.replicas_here
        data = _phase_data(network, phase, cut_features, self.images, seed + 1_000_003 * number, replicas)
        if number:
            _begin_chance(network, seed, number)
        with devices.scope():
            optimizer, rate = build_optimizer(phase, data.steps_per_epoch, plan, network, replicas)
        return PhaseStart(phase, network, data, optimizer), rate

    def _train(self, number: int, start: PhaseStart, rate: Rate, cut_features: CutFeatures) -> None:
        """Trains a phase, and notes what it gave."""
        assert self.folder is not None  # noqa: S101 -- for the type checker: it is open
        job, phase, network = self.job, start.phase, start.network
        own = self.folder / "phases" / f"{number + 1}-{phase.name}"
        slots = _slots(start.optimizer, network, self.plans[number:], self.before if number else None)
        with cut_features.direct.watched() if cut_features.direct is not None else nullcontext():
            setup = PhaseSetup(
                start.optimizer,
                rate,
                own,
                job.recipe.seed,
                job.progress,
                job.parts.devices,
                slots,
                job.recipe.tracking.every,
                _telling(job.tell, phase.name, self.steps),
                _telling_steps(job.tell_step, self.steps),
            )
            rows, kept = train_phase(network, phase, start.data, setup)
        self.kept.append(kept)
        self.history += [{"phase": phase.name, **row} for row in rows]
        self.steps += rows[-1]["step"]
        self.before = own / MOMENTS, network.trainable_variables


def check_parts(recipe: Recipe, images: Images, parts: Parts) -> None:
    """Checks what needs the data and the backbone, all at once, before anything is computed.

    Args:
        recipe: the resolved recipe.
        images: what it is trained on.
        parts: backbone and head.

    Raises:
        UserError: one line for each fault.
    """
    backbone = parts.backbone
    check_with(
        recipe,
        classes=images.classes,
        images=len(images.of_split("train")),
        stages=[stage.name for stage in backbone.stages],
        layers=[layer.name for layer in backbone.layers],
        several_labels=images.labels.ndim == 2,
    )
    for phase in recipe.resolved_phases:
        make_optimizer(phase)  # Keras has the last word on its arguments
        if phase.accumulation > 1 and parts.devices.replicas_here > 1:
            expected, hint = (
                f"1 on {parts.devices.replicas} devices",
                "raise batch_size, or say --devices gpu",
            )
            raise UserError(fault("accumulation", phase.accumulation, expected, hint))


def _begin_chance(network: Network, seed: int, number: int) -> None:
    """Begins what draws dropout and the like at a place that is this phase's own.

    Where the phases before left it, a process that finds them finished could not know.
    """
    every = {id(one): one for one in (*network.cut.suffix_variables, *network.layer.variables)}.values()
    drawing = [one for one in every if getattr(one, "path", "").endswith("seed_generator_state")]
    for place, variable in enumerate(drawing):
        variable.assign(np.array([(seed * 1_000_003 + number) % 2**32, place], np.uint32))


def _slots(
    optimizer: keras.Optimizer,
    network: Network,
    plans: list[tuple[Phase, FreezePlan]],
    before: tuple[Path, list[Any]] | None,
) -> Slots | None:
    """The moments of this phase's optimizer, begun with those of the phase before where they are carried.

    Args:
        optimizer: of this phase.
        network: of this phase.
        plans: this phase and those after it.
        before: where the phase before left its moments, and what it trained.

    Returns:
        What keeps the moments for the next phase; None where it does not want them.
    """
    carries = [phase.optimizer_state == "carry" for phase, _ in plans[:2]]
    taken = carries[0] and before is not None
    kept = len(carries) > 1 and carries[1]
    if not (taken or kept):
        return None
    slots = Slots(optimizer, network.trainable_variables)
    if taken and before is not None:
        slots.read(*before)
    return slots if kept else None


def _telling(tell: Tell | None, phase: str, steps: int) -> Callable[[NamedValues], None] | None:
    if tell is None:
        return None
    return lambda row: tell(phase, steps + row["step"], row)


def _telling_steps(
    tell: Callable[[int, dict[str, float]], None] | None, steps: int
) -> Callable[[int, dict[str, float]], None] | None:
    return None if tell is None else lambda step, values: tell(steps + step, values)


def _phase_data(
    network: Network, phase: Phase, cut_features: CutFeatures, images: Images, seed: int, replicas: int
) -> PhaseData:
    train, validation = images.of_split("train"), images.of_split("val")
    # What in a batch looks at the other rows would take those for images that only fill it up.
    division = Division(phase.batch_size, replicas, network.by_rows or replicas > 1)
    return PhaseData(
        train=lambda epoch: cut_features.shuffled(train, images.labels[train], division, seed, epoch),
        validation=lambda: cut_features.in_order(validation, images.labels[validation], replicas),
        predicted=lambda: cut_features.in_order(validation, images.labels[validation]),
        steps_per_epoch=-(-len(train) // phase.batch_size),
        validation_images=len(validation),
        validation_batch=replicas * evaluation_batch(len(validation), replicas),
        measure=measure(phase.metrics, network.head, images.labels[validation]),
    )
