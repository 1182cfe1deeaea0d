"""The work of a run, once its recipe and its images are known to be sound."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.evaluation import Evaluation
from transferkit.export.saved_model import write_saved_model
from transferkit.freezing import Proof
from transferkit.model_fn.network import Network
from transferkit.recipe import Recipe
from transferkit.runs.batches import AtCut, pass_through
from transferkit.runs.folder import RunFolder, write_whole
from transferkit.runs.network import features_of, open_parts
from transferkit.runs.optimizer import build_optimizer
from transferkit.runs.outcome import evaluate_network
from transferkit.runs.phase import PhaseData, train_phase
from transferkit.runs.prepare import Images
from transferkit.runs.progress import Progress
from transferkit.runs.weights import write_weights

__all__ = ["execute"]

_SCALE_SAMPLE = 10_000


def execute(
    recipe: Recipe, images: Images, place: RunFolder, resume: bool, progress: Progress, began: float
) -> Evaluation:
    """Trains all phases, evaluates, exports and puts the finished run in its place.

    Args:
        recipe: the resolved recipe.
        images: what to train and evaluate on.
        place: where the run goes.
        resume: take up the partial folder that is there.
        progress: shows the stages.
        began: ``time.perf_counter()`` at the start of the run.
    """
    with progress.stage("backbone", unit="layer"):
        parts = open_parts(recipe, images.classes)
    size = parts.backbone.input_size
    proof = Proof()
    history: list[dict[str, Any]] = []
    folder: Path | None = None
    network: Network | None = None
    for number, phase in enumerate(recipe.resolved_phases):
        network = parts.network(phase, images.train_counts)
        proof.watch(network.cut)
        images, at_cut = pass_through(network.cut, size, images, recipe, progress)
        # The run's folder is opened once nothing that the user gave can be refused any more.
        if folder is None:
            folder = place.open(resume)
            _write_inputs(folder, recipe, images)
            _fit_features(network, at_cut, images, recipe.seed)
        data = _phase_data(at_cut, images, phase.batch_size, recipe.seed, number)
        rows = train_phase(
            network,
            phase,
            data,
            build_optimizer(phase, data.steps_per_epoch),
            folder / "phases" / f"{number + 1}-{phase.name}",
            recipe.seed,
            progress,
        )
        history += [{"phase": phase.name, **row} for row in rows]
    assert network is not None  # noqa: S101 -- for the type checker: a recipe has at least one phase
    assert folder is not None  # noqa: S101
    frozen = proof.check()

    held_out = images.of_split(images.held_out)
    with progress.stage("evaluate", total=len(held_out)) as stage:
        evaluation = evaluate_network(
            network,
            recipe,
            lambda: at_cut.in_order(held_out, images.labels[held_out]),
            images.labels[held_out],
            [images.rows[index].name for index in held_out],
            images.classes,
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
    facts = _facts(recipe, images, evaluation, history, frozen, parts.backbone.weights_sha256)
    stages = {name: round(value, 3) for name, value in progress.seconds.items()}
    facts["seconds"] = {"total": round(time.perf_counter() - began, 3), "stages": stages}
    write_whole(folder / "history.jsonl", "".join(json.dumps(row) + "\n" for row in history))
    write_whole(folder / "metrics.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
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
    features = features_of(network, at_cut.in_order(some, images.labels[some]))
    network.standardise.fit(features)
    if network.head.closed_form:
        standardised = network.standardise(features).numpy()
        fitted = network.head.fit(standardised, labels, seed)
        network.layer.set_weights(fitted.get_weights())


def _phase_data(at_cut: AtCut, images: Images, batch_size: int, seed: int, number: int) -> PhaseData:
    train, validation = images.of_split("train"), images.of_split("val")
    return PhaseData(
        # Each phase shuffles in an order of its own.
        train=lambda epoch: at_cut.shuffled(
            train, images.labels[train], batch_size, seed + 1_000_003 * number, epoch
        ),
        validation=lambda: at_cut.in_order(validation, images.labels[validation]),
        steps_per_epoch=-(-len(train) // batch_size),
    )


def _write_inputs(folder: Path, recipe: Recipe, images: Images) -> None:
    """What the run is made from, which a resumed run finds again."""
    write_whole(folder / "recipe.toml", recipe.to_toml())
    images.ledger.write(folder / "split.csv")
    with open(folder / "quarantine.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "reason"])
        writer.writerows(images.unreadable)


def _facts(
    recipe: Recipe,
    images: Images,
    evaluation: Evaluation,
    history: list[dict[str, Any]],
    frozen: str,
    weights_sha256: str,
) -> dict[str, Any]:
    return {
        "metrics": evaluation.metrics,
        "classes": list(images.classes),
        "held_out": images.held_out,
        "images": {split: len(images.of_split(split)) for split in ("train", "val", "test")},
        "quarantined": len(images.unreadable),
        "backbone": {
            "name": recipe.backbone.name,
            "weights": recipe.backbone.weights,
            "weights_sha256": weights_sha256,
        },
        "epochs": sum(1 for row in history if row["epoch"]),
        "frozen": frozen,
    }
