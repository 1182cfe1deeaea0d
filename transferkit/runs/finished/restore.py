"""A finished run's network, made again from the run alone, and evaluated on other images."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from transferkit.backbones.functional import FunctionalBackbone
from transferkit.data.left_out import refused_notes
from transferkit.data.splits.ledger import Ledger
from transferkit.errors import UserError, fault
from transferkit.evaluation import Evaluation, gates
from transferkit.export.plain_keras import plain_model
from transferkit.runs.calibration.settle_novelty import take_novelty
from transferkit.runs.calibration.settle_thresholds import take_thresholds
from transferkit.runs.folder.chosen_head import read_chosen
from transferkit.runs.folder.run_manifest import check_answers
from transferkit.runs.results.evaluate_network import evaluate_network
from transferkit.runs.results.independence import leak_line, used_in
from transferkit.training.cut_features import extract_features
from transferkit.training.images import Images
from transferkit.training.parts import Parts, open_parts
from transferkit.training.prepare_images import load_for_evaluation, prepare
from transferkit.training.progress import Progress
from transferkit.training.weight_files import read_weights
from transferkit.transfer.network import Network

__all__ = ["evaluate_run", "restore", "restore_model"]


def restore(run: Any) -> tuple[Parts, Network]:
    """The parts and the network of a run, with the weights that it ended with.

    The run brings all weights, so the backbone is built without its original ones.

    Raises:
        UserError: weights, data or code are unavailable, or the weights are no numbers.
    """
    check_answers(run.path)
    parts = open_parts(run.recipe, run.classes, overwritten=True, chosen=read_chosen(run.path))
    phase = run.recipe.resolved_phases[-1]
    network = parts.network(phase, parts.plan(phase), counts=[1] * len(run.classes))
    file = run.path / "weights.npz"
    read_weights(file, network.variables)
    if not all(np.isfinite(np.asarray(variable)).all() for variable in network.variables):
        raise UserError(
            fault(str(file), None, "numbers", "some weights are NaN or infinite: training diverged")
        )
    take_thresholds(network, run.thresholds)
    take_novelty(network, run.path)
    if run.calibrated.temperature is not None and run.recipe.export.temperature:
        network.temperature = run.calibrated.temperature.temperature
    return parts, network


def restore_model(run: Any) -> Any:
    """A run's network as a plain Keras model; see :attr:`transferkit.runs.finished.run.Run.model`.

    Raises:
        UserError: the backbone is no model of Keras's layers.
    """
    parts, network = restore(run)
    if not isinstance(parts.backbone, FunctionalBackbone):
        expected = "a backbone whose layers Keras knows"
        hint = "its SavedModel can be loaded with tf.saved_model.load"
        raise UserError(fault("run.model", run.recipe.backbone.name, expected, hint))
    return plain_model(parts.backbone, network)


def evaluate_run(
    run: Any,
    data: str | os.PathLike[str] | None,
    split: str | None,
    fail_under: str | float | None,
    quiet: bool,
) -> Evaluation:
    """Evaluates a run's network; see :meth:`transferkit.runs.finished.run.Run.evaluate`.

    Args:
        run: a finished Run.
        data: other images; the run's own by default.
        split: ``train``, ``val``, ``test``, ``all``, or what was held out.
        fail_under: gates.
        quiet: show no progress.

    Raises:
        UserError: there is nothing to evaluate.
        GateError: a gate was missed.
    """
    wanted = gates.parse(fail_under, run.classes)
    progress = Progress(quiet)
    recipe = run.recipe
    if data is None:
        images = prepare(recipe, progress)
        chosen = [split or images.held_out] if split != "all" else ["train", "val", "test"]
    else:
        images = load_for_evaluation(recipe, os.fspath(data), run.classes, progress)
        chosen = [split] if split not in (None, "all") else ["train", "val", "test", "all"]
    indices = images.of_split(*chosen)
    if not len(indices):
        raise UserError(_empty(images, split, data))
    notes = images.notes if data is not None else ()
    of = split or (images.held_out if data is None else "all")
    parts, network = restore(run)
    images, cut_features = extract_features(
        network.cut, parts.backbone.input_size, images.take(indices), recipe, progress
    )
    everything = np.arange(len(images))
    evaluation = evaluate_network(
        network,
        recipe,
        lambda: cut_features.in_order(everything, images.labels),
        images.labels,
        [row.name for row in images.rows],
        run.classes,
    )
    # A figure is of what it was measured on: what is wrong with that, and what was left out, is beside it.
    about = _independence(run, images, of, evaluation, data is None)
    notes = (*about, *notes, *refused_notes(images.unreadable))
    for line in notes:
        progress.say(line)
    gates.check(evaluation, wanted)
    return replace(evaluation, notes=notes)


def _independence(run: Any, images: Images, of: str, evaluation: Evaluation, own: bool) -> list[str]:
    """Whether the run was trained on what it is evaluated on, and what else was chosen on it."""
    if own and of in ("train", "all"):
        return []
    used = used_in(Ledger.read(run.path / "split.csv").rows, of if own else "all")
    copied = np.array([row.sha256 in used for row in images.rows], bool)
    others = evaluation.correct[~copied]
    accuracy = float(others.mean()) if len(others) else None
    leak = leak_line(int(copied.sum()), len(copied), of if own else "all", accuracy)
    beside = run.independence.beside(of).strip(" ()") if own else ""
    return [line for line in (leak, beside) if line]


def _empty(images: Images, split: str | None, data: str | os.PathLike[str] | None) -> str:
    """A fault: there is nothing to evaluate."""
    there = Counter(row.split for row in images.rows)
    if set(there) <= {"all"}:
        if not there:
            return fault("data", str(data), "images to evaluate", "there are none that can be read")
        return fault("--split", split, "no split, since the data has none", "leave the option out")
    shown = ", ".join(f"{name} ({there[name]})" for name in ("train", "val", "test") if there[name])
    return fault("--split", split or images.held_out, f"a split that the data has: {shown}")
