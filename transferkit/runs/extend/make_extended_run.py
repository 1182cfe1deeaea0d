"""A new run from an earlier one: proof, fit, evaluation, exports, and what changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transferkit.evaluation import Evaluation, gates
from transferkit.runs.extend.changes import Changes, Proof, class_changes
from transferkit.runs.extend.extended_recipe import LISTED, extended_recipe, from_common_root, write_list
from transferkit.runs.extend.source_run import SourceRun
from transferkit.runs.finished.run import Run
from transferkit.runs.folder.kept_features import KeptFeatures
from transferkit.runs.run_context import RunContext
from transferkit.training.images import Images

if TYPE_CHECKING:
    from transferkit.training.cut_features import CutFeatures
    from transferkit.training.parts import Parts
    from transferkit.transfer.network import Network

__all__ = ["Content", "make_run"]


@dataclass(frozen=True)
class Content:
    """What a new run is fitted on.

    Attributes:
        images: its images; those that the earlier run has come first.
        features: theirs.
        of_old: int64 ``[M]``: which of the earlier run's images these are.
    """

    images: Images
    features: KeptFeatures
    of_old: np.ndarray


def make_run(source: SourceRun, parts: Parts, network: Network, content: Content, changes: Changes) -> Run:
    """Fits the head on known features, evaluates and exports it, as a run of its own.

    Args:
        source: the earlier run.
        parts: of it.
        network: of it, with its weights.
        content: what the new run is fitted on.
        changes: what is known of them beforehand.

    Raises:
        GateError: the run is in its place, but an export of it was refused.
    """
    from transferkit.runs.execute import execute
    from transferkit.runs.extend.refit import known_features, parts_for, prove

    closed = network.head.closed_form
    root, images = from_common_root(content.images)
    recipe, notes = extended_recipe(source.recipe, source.place.path / LISTED, root, images, closed)
    changes = replace(changes, notes=(*changes.notes, *notes))
    for note in notes:
        source.progress.say(note)
    wanted = gates.parse(recipe.evaluation.fail_under, images.classes)
    with source.progress.stage("proof", doing="fitting the run's own head from what it kept"):
        proof = Proof(False, None, len(source.images))
        if closed:
            proof = prove(parts, network, source.kept, source.images)
    extension = _Extension(
        known_features(content.features, images),
        images,
        source.run.classes,
        _Before(network, source.kept.values[content.of_old]),
        replace(changes, proof=proof),
    )
    made = parts_for(parts, recipe, images.classes, warm=not closed)
    context = RunContext(source.place, wanted, source.progress, source.began)
    try:
        evaluation = execute(recipe, images, context, made, extension)
    except BaseException:
        source.place.discard()  # nothing resumes it: it is made again in seconds
        raise
    finished = Run(source.place.path)
    gates.check(evaluation, wanted)
    return finished


@dataclass(frozen=True)
class _Before:
    """The earlier run's answers to those of its images that stay."""

    network: Network
    values: np.ndarray

    def given(self, rows: np.ndarray) -> np.ndarray:
        """bool ``[M, O]``: the classes that are said of some of them."""
        from transferkit.runs.extend.refit import probabilities

        given, head = probabilities(self.network, self.values[rows]), self.network.head
        if head.multi_label:
            return np.asarray(given >= np.asarray(head.thresholds, np.float32))
        return _table(given.argmax(axis=1), given.shape[1])


@dataclass(frozen=True)
class _Extension:
    """See :class:`transferkit.runs.execute.Extension`."""

    cut_features: CutFeatures
    images: Images
    old: tuple[str, ...]
    before: _Before
    changes: Changes

    def begin(self, folder: Path) -> None:
        self.changes.write(folder)
        write_list(folder / LISTED, self.images)

    def settle(self, folder: Path, evaluation: Evaluation) -> Changes:
        held_out = self.images.of_split(self.images.held_out)
        rows = np.flatnonzero(held_out < len(self.before.values))
        chosen = held_out[rows]
        classes = self.images.classes
        labels = _table(self.images.labels[chosen], len(classes))
        after = _table(evaluation.predicted[rows], len(classes))
        found, accuracy = class_changes(self.before.given(chosen), after, labels, classes, self.old)
        changes = replace(self.changes, classes=found, accuracy=accuracy)
        changes.write(folder)
        return changes


def _table(classes: np.ndarray, count: int) -> np.ndarray:
    """Classes ``[N]``, or a table of them already, as bool ``[N, C]``."""
    return np.eye(count, dtype=bool)[classes] if classes.ndim == 1 else classes.astype(bool)
