"""A finished run evaluated anew: on its own images or others, with what qualifies the figures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from transferkit.data.splits.ledger import Ledger
from transferkit.data.unusable_files import refused_notes
from transferkit.errors import UserError, fault
from transferkit.evaluation import Evaluation, gates
from transferkit.runs.finished.finished_run import FinishedRun
from transferkit.runs.finished.other_data import reading
from transferkit.runs.finished.restore import restore
from transferkit.runs.results.evaluate_network import evaluate_network
from transferkit.runs.results.independence import leak_line, used_in
from transferkit.training.cut_features import extract_features
from transferkit.training.images import Images
from transferkit.training.prepare_images import load_labelled, prepare
from transferkit.training.progress import Progress
from transferkit.type_names import Override

__all__ = ["evaluate_run"]


def evaluate_run(
    run: FinishedRun,
    data: str | os.PathLike[str] | None,
    split: str | None,
    fail_under: str | float | None,
    quiet: bool,
    overrides: Sequence[Override] = (),
) -> Evaluation:
    """Evaluates a run's network; see :meth:`transferkit.runs.finished.run.Run.evaluate`.

    Args:
        run: a finished Run.
        data: other images; the run's own by default.
        split: ``train``, ``val``, ``test``, ``all``, or what was held out.
        fail_under: gates.
        quiet: show no progress.
        overrides: how ``data`` is read, where it is not as in the run.

    Raises:
        UserError: there is nothing to evaluate.
        GateError: a gate was missed.
    """
    wanted = gates.parse(fail_under, run.classes)
    if data is None and overrides:
        raise UserError(fault("--set", None, "--data beside it", "it says how other images are read"))
    progress = Progress(quiet)
    recipe, own = reading(run.recipe, overrides)
    if data is None:
        images = prepare(recipe, progress)
        chosen = [split or images.held_out] if split != "all" else ["train", "val", "test"]
    else:
        images = load_labelled(recipe, os.fspath(data), run.classes, progress, own=own)
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


def _independence(run: FinishedRun, images: Images, of: str, evaluation: Evaluation, own: bool) -> list[str]:
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
