"""All phases of a run, one after the other: what is trained, before it is evaluated and exported."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.activations.division import Division
from transferkit.cluster.cluster import Cluster
from transferkit.errors import UserError, fault
from transferkit.freezing import FreezePlan, Proof
from transferkit.heads import ClosedForm, Divided, Known, choice_of, describe_choice
from transferkit.optimizers import Slots, make_optimizer
from transferkit.recipe import Phase, Recipe, check_with
from transferkit.training.cut_features import CutFeatures, evaluation_batch, extract_features
from transferkit.training.images import Images
from transferkit.training.optimizer import build_optimizer
from transferkit.training.parts import Parts, features_of
from transferkit.training.phase import MOMENTS, PhaseData, PhaseSetup, train_phase
from transferkit.training.progress import Progress
from transferkit.training.shares import Shares
from transferkit.training.trained import Trained
from transferkit.training.validation import measure
from transferkit.transfer.network import Network

__all__ = ["Fitted", "PhaseStart", "check_parts", "fit_features", "train"]

_SCALE_SAMPLE = 10_000
# What choosing a head may take, where the pass over the images took less.
_LEAST_SECONDS = 60.0

Tell = Callable[[str, int, dict[str, Any]], None]


@dataclass
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
    optimizer: Any


def train(
    recipe: Recipe,
    images: Images,
    parts: Parts,
    open_folder: Callable[[Images, Parts], Path],
    progress: Progress,
    tell: Tell | None = None,
    tell_step: Callable[[int, dict[str, float]], None] | None = None,
    instead: Callable[[PhaseStart], None] | None = None,
    given: CutFeatures | None = None,
) -> Fitted:
    """Trains all phases of a recipe, or takes up where an earlier process left them.

    Args:
        recipe: the resolved recipe.
        images: what to train on.
        parts: backbone and head, with the weights that a run begins with.
        open_folder: given the images that could be decoded, and backbone and head, opens the run's folder;
            called once nothing that the user gave can be refused any more.
        progress: shows the stages.
        tell: is given the phase's name, the run's step and the row of every new evaluation.
        tell_step: is given the run's step, and loss and rate of that step, one in ``tracking.every``.
        instead: what to do with the last phase instead of training it.
        given: the features of the images, where they are known: no image is passed. A head that is trained
            by gradient steps then goes on from the weights and the scale that the parts have.

    Raises:
        UserError: recipe, data and backbone do not go together; nothing was trained then.
    """
    check_parts(recipe, images, parts)
    trained = Trained(recipe, images, parts)
    # All phases are planned before the first one trains: a name that the backbone lacks is found at once.
    trained.plans = [(phase, parts.plan(phase)) for phase in recipe.resolved_phases]
    proof = Proof()
    cluster = parts.devices.cluster
    shares = None if cluster is None else Shares(cluster, recipe)
    folder: Path | None = None
    samples = len(images.of_split("train"))
    steps = 0
    before: tuple[Path, list[Any]] | None = None
    for number, (phase, plan) in enumerate(trained.plans):
        network = parts.network(phase, plan, trained.images.train_counts, samples)
        proof.watch(network.cut)
        if given is not None:
            cut_features = given
        else:
            trained.images, cut_features = extract_features(
                network.cut,
                parts.backbone.input_size,
                trained.images,
                recipe,
                progress,
                augment=True,
                fitting=number == 0,
                shares=shares,
            )
        if cut_features.direct is not None:
            network.mix = cut_features.mix
        if folder is None:
            folder = open_folder(trained.images, parts)
            warm = given is not None and not network.head.closed_form
            found = None if warm else fit_features(network, cut_features, trained.images, parts, progress)
            if found is not None:
                # The head may read fewer levels than it chose from, and has its own layer.
                plan = parts.plan(phase)
                trained.plans[number] = phase, plan
                network = parts.network(phase, plan, trained.images.train_counts, samples)
                cut_features = found
        if network.head.closed_form:
            break
        seed, replicas = recipe.seed + 1_000_003 * number, parts.devices.replicas_here
        data = _phase_data(network, phase, cut_features, trained.images, seed, replicas)
        own = folder / "phases" / f"{number + 1}-{phase.name}"
        if number:
            _begin_chance(network, recipe.seed, number)
        with parts.devices.scope():
            optimizer, rate = build_optimizer(
                phase, data.steps_per_epoch, plan, network, parts.devices.replicas_here
            )
        slots = _slots(optimizer, network, trained.plans[number:], before if number else None)
        if instead is not None and number == len(trained.plans) - 1:
            instead(PhaseStart(phase, network, data, optimizer))
            break
        with cut_features.direct.watched() if cut_features.direct is not None else nullcontext():
            setup = PhaseSetup(
                optimizer,
                rate,
                own,
                recipe.seed,
                progress,
                parts.devices,
                slots,
                recipe.tracking.every,
                _telling(tell, phase.name, steps),
                _telling_steps(tell_step, steps),
            )
            rows, kept = train_phase(network, phase, data, setup)
        trained.kept.append(kept)
        trained.history += [{"phase": phase.name, **row} for row in rows]
        steps += rows[-1]["step"]
        before = own / MOMENTS, network.trainable_variables
    assert folder is not None  # noqa: S101 -- for the type checker: a recipe has at least one phase
    trained.frozen = proof.check()
    return Fitted(trained, network, cut_features, folder)


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
    optimizer: Any,
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


def _telling(tell: Tell | None, phase: str, steps: int) -> Callable[[dict[str, Any]], None] | None:
    if tell is None:
        return None
    return lambda row: tell(phase, steps + row["step"], row)


def fit_features(
    network: Network,
    cut_features: CutFeatures,
    images: Images,
    parts: Parts,
    progress: Progress,
    seconds: float | None = None,
) -> CutFeatures | None:
    """Fits what is found from the training features at once: their scale, and a head in closed form.

    Args:
        network: whose features they are.
        cut_features: the images at its cut.
        images: the training images among them are fitted on.
        parts: gets the head's layer, and the levels that it reads; what was chosen before stands.
        progress: shows the fit.
        seconds: that a head may take to choose; None for those of the pass, and a minute at least.

    Returns:
        The images at the cut that the fitted head needs; None where no head was fitted.
    """
    seed = parts.recipe.seed
    train = images.of_split("train")
    if parts.devices.cluster is None:
        train = cut_features.kept_of(train)
    if network.head.closed_form:
        # By content: folds and landmarks are drawn by place, and a file's name is no part of a head.
        train = train[np.argsort(images.groups_of(train), kind="stable")]
    labels = images.labels[train]
    some = train
    if not network.head.closed_form and len(train) > _SCALE_SAMPLE:
        # A mean over so many images is known well enough; a closed-form head needs them all.
        some = np.sort(np.random.default_rng(seed).choice(train, _SCALE_SAMPLE, replace=False))
    cluster = parts.devices.cluster
    divided = None
    if cluster is not None and _adds_up(network, cut_features, len(some)):
        features, divided = _own_features(network, cut_features, some, images.labels[some], cluster)
        network.standardise.fit(features, cluster.total)
    else:
        views = _features_of_views(network, cut_features, some, images.labels[some], parts)
        features = np.concatenate(views)
        network.standardise.fit(features)
    if not network.head.closed_form:
        return None
    standardised = network.standardise(features).numpy()
    count = cut_features.view_count
    known = Known(
        np.concatenate([images.groups_of(train)] * count),
        parts.levels,
        seconds or max(_LEAST_SECONDS, cut_features.activations.stats.seconds),
        choice_of(parts.chosen),
        divided,
    )
    with progress.stage("head", total=len(standardised)) as stage:
        with parts.devices.scope():
            parts.layer = network.head.fit(standardised, np.concatenate([labels] * count), seed, known)
        stage.update(len(standardised))
    if network.head.found is None:
        return cut_features
    levels = network.head.found.levels or tuple(parts.levels)
    parts.chosen = {**network.head.found.to_dict(), "levels": list(levels)}
    sentence = describe_choice(parts.chosen)
    if sentence is not None:
        progress.say(f"head: {sentence}")
    return cut_features.narrow(parts.narrow(levels))


def _adds_up(network: Network, cut_features: CutFeatures, images: int) -> bool:
    """Whether workers find the head from sums over the images of each."""
    spec = network.head.spec
    enough = images * cut_features.view_count >= network.head.feature_width
    return isinstance(spec, ClosedForm) and spec.adds_up and enough


def _own_features(
    network: Network, cut_features: CutFeatures, some: np.ndarray, labels: np.ndarray, cluster: Cluster
) -> tuple[np.ndarray, Divided]:
    """Features float32 ``[n, D]`` of this worker's own images, view after view, and which they are."""
    assert cut_features.mine is not None  # noqa: S101 -- for the type checker: there are several workers
    own = np.flatnonzero(cut_features.mine[some])
    parts = [np.zeros((0, network.head.feature_width), np.float32)]
    if len(own):
        every = cut_features.every_view(some[own], labels[own])
        parts += [features_of(network, batches) for batches in every]
    places = [own + view * len(some) for view in range(cut_features.view_count)]
    return np.concatenate(parts), Divided(np.concatenate(places), cluster.total)


def _features_of_views(
    network: Network, cut_features: CutFeatures, some: np.ndarray, labels: np.ndarray, parts: Parts
) -> list[np.ndarray]:
    """Features float32 ``[len(some), D]`` of images, once for each view; where several workers have them, of
    all of them on each."""
    cluster, mine = parts.devices.cluster, cut_features.mine
    if cluster is None or mine is None:
        return [features_of(network, batches) for batches in cut_features.every_view(some, labels)]
    own = mine[some]
    every = cut_features.every_view(some[own], labels[own]) if own.any() else []
    views = []
    for view in range(cut_features.view_count):
        features = np.zeros((len(some), parts.backbone.feature_width), np.float32)
        if every:
            features[own] = features_of(network, every[view])
        views.append(cluster.total(features))
    return views


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
