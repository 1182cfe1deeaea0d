"""The work of a run, once its recipe and its images are known to be sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from transferkit.evaluation import Evaluation
from transferkit.evaluation.gates import Gate
from transferkit.export.saved_model import write_saved_model
from transferkit.freezing import Proof
from transferkit.model_fn.network import Network
from transferkit.recipe import Recipe
from transferkit.runs.batches import AtCut, pass_through
from transferkit.runs.folder import RunFolder
from transferkit.runs.network import features_of, open_parts
from transferkit.runs.optimizer import build_optimizer
from transferkit.runs.outcome import evaluate_network
from transferkit.runs.phase import PhaseData, train_phase
from transferkit.runs.prepare import Images
from transferkit.runs.progress import Progress
from transferkit.runs.record import Trained, write_inputs, write_outcome
from transferkit.runs.weights import write_weights

__all__ = ["execute"]

_SCALE_SAMPLE = 10_000


def execute(
    recipe: Recipe,
    images: Images,
    place: RunFolder,
    gates: Sequence[Gate],
    resume: bool,
    progress: Progress,
    began: float,
) -> Evaluation:
    """Trains all phases, evaluates, exports and puts the finished run in its place.

    Args:
        recipe: the resolved recipe.
        images: what to train and evaluate on.
        place: where the run goes.
        gates: what the evaluation will be held against; the report shows them.
        resume: take up the partial folder that is there.
        progress: shows the stages.
        began: ``time.perf_counter()`` at the start of the run.
    """
    with progress.stage("backbone", unit="layer"):
        parts = open_parts(recipe, images.classes)
    size = parts.backbone.input_size
    trained = Trained(recipe, images, parts)
    # All phases are planned before the first one trains: a name that the backbone lacks is found at once.
    trained.plans = [(phase, parts.plan(phase)) for phase in recipe.resolved_phases]
    proof = Proof()
    folder: Path | None = None
    for number, (phase, plan) in enumerate(trained.plans):
        network = parts.network(phase, plan, trained.images.train_counts)
        proof.watch(network.cut)
        trained.images, at_cut = pass_through(
            network.cut, size, trained.images, recipe, progress, augment=True
        )
        # The run's folder is opened once nothing that the user gave can be refused any more.
        if folder is None:
            folder = place.open(resume)
            write_inputs(folder, recipe, trained.images)
            _fit_features(network, at_cut, trained.images, recipe.seed)
        if network.head.closed_form:
            break
        data = _phase_data(at_cut, trained.images, phase.batch_size, recipe.seed + 1_000_003 * number)
        optimizer = build_optimizer(phase, data.steps_per_epoch, plan, network)
        own = folder / "phases" / f"{number + 1}-{phase.name}"
        rows = train_phase(network, phase, data, optimizer, own, recipe.seed, progress)
        trained.history += [{"phase": phase.name, **row} for row in rows]
    assert folder is not None  # noqa: S101 -- for the type checker: a recipe has at least one phase
    trained.frozen = proof.check()

    images = trained.images
    held_out = images.of_split(images.held_out)
    labels = images.labels[held_out]
    with progress.stage("evaluate", total=len(held_out)) as stage:
        names = [images.rows[index].name for index in held_out]
        evaluation = evaluate_network(
            network, recipe, lambda: at_cut.in_order(held_out, labels), labels, names, images.classes
        )
        evaluation.write_predictions(folder / "predictions.csv")
        stage.update(len(held_out), accuracy=evaluation.metrics["accuracy"])
    with progress.stage("export", unit="file"):
        write_weights(folder / "weights.npz", network.variables)
        write_saved_model(
            folder / "export" / "1",
            network.probabilities,
            network.variables,
            images.classes,
            size,
            recipe.data.resize,
        )
    write_outcome(folder, place, trained, evaluation, gates, progress, began)
    place.finish()
    return evaluation


def _fit_features(network: Network, at_cut: AtCut, images: Images, seed: int) -> None:
    """Fits what is found from the training features at once: their scale, and a head in closed form."""
    train = images.of_split("train")
    labels = images.labels[train]
    some = train
    if not network.head.closed_form and len(train) > _SCALE_SAMPLE:
        # A mean over so many images is known well enough; a closed-form head needs them all.
        some = np.sort(np.random.default_rng(seed).choice(train, _SCALE_SAMPLE, replace=False))
    parts = [features_of(network, batches) for batches in at_cut.every_view(some, images.labels[some])]
    features = np.concatenate(parts)
    network.standardise.fit(features)
    if network.head.closed_form:
        standardised = network.standardise(features).numpy()
        fitted = network.head.fit(standardised, np.tile(labels, len(parts)), seed)
        network.layer.set_weights(fitted.get_weights())


def _phase_data(at_cut: AtCut, images: Images, batch_size: int, seed: int) -> PhaseData:
    train, validation = images.of_split("train"), images.of_split("val")
    return PhaseData(
        train=lambda epoch: at_cut.shuffled(train, images.labels[train], batch_size, seed, epoch),
        validation=lambda: at_cut.in_order(validation, images.labels[validation]),
        steps_per_epoch=-(-len(train) // batch_size),
    )
