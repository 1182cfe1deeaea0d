"""More photos and classes for a finished run, or fewer, from the features that it keeps."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.data.splits.ledger import Ledger
from transferkit.errors import UserError, fault
from transferkit.evaluation import Evaluation, gates
from transferkit.export.formats import load_format
from transferkit.files.whole_file import whole_file
from transferkit.keras_settings import prepare_import
from transferkit.permission import allowing
from transferkit.recipe import Recipe
from transferkit.report.notebook_progress import open_progress
from transferkit.runs.extend.changes import FILE, Changes, class_changes
from transferkit.runs.extend.joined import images_of, less, more, named_files
from transferkit.runs.finished.run import Run
from transferkit.runs.folder.kept_features import KeptFeatures, read_kept
from transferkit.runs.folder.located import photos_root
from transferkit.runs.folder.run_folder import RunFolder
from transferkit.runs.folder.run_manifest import read_facts
from transferkit.runs.run_context import RunContext
from transferkit.tensorflow_startup import loading, start_tensorflow
from transferkit.training.images import Images, load_labelled
from transferkit.training.progress import Progress

if TYPE_CHECKING:
    from transferkit.training.cut_features import CutFeatures
    from transferkit.training.parts import Parts
    from transferkit.transfer.network import Network

__all__ = ["LISTED", "extend", "forget"]

# Lists the photos of an extended run, wherever they lie; its recipe names it as the data.
LISTED = "images.jsonl"


def extend(
    run: Run | str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    to: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    quiet: bool = True,
    allow_code: bool = False,
) -> Run:
    """Adds photos, of new classes or of those that are there, to a finished run: ``transferkit extend``.

    The head is fitted on the features that the run keeps and those of the new photos; no photo of the run has
    to be there. A head that is found at once comes out as if it had been trained on all photos together. That
    is proved each time: the run's own head is fitted again from what it kept, and compared. A head that is
    trained by steps goes on from where it was.

    Args:
        run: a finished run, or its folder. It stays as it is.
        data: the new photos, as ``--data`` takes them: a folder of class folders, a manifest, an archive.
        to: the folder of the new run; by default beside the old one, with a number.
        overwrite: replace a run at this place.
        quiet: show no progress.
        allow_code: as of :func:`transferkit.retrain`.

    Returns:
        The new run; :attr:`Run.changes` says what changed.

    Raises:
        UserError: the run keeps no features, or the photos do not fit it; nothing was written.
        GateError: the new run is in its place, but an export of it was refused.
    """
    opened = _Source(run, to, overwrite, open_progress(quiet))
    with allowing(allow_code), opened.place.held():
        return opened.extend(os.fspath(data))


def forget(
    run: Run | str | os.PathLike[str],
    *,
    classes: str | Sequence[str] = (),
    files: str | os.PathLike[str] | Sequence[str] = (),
    to: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    quiet: bool = True,
    allow_code: bool = False,
) -> Run:
    """Takes classes or single photos out of a finished run: ``transferkit forget``.

    The head, the calibration, the thresholds and the statistics of what is unknown are found anew without
    them, and their features are not in the new run. What a fine-tuned backbone learned from them stays in its
    weights, and is said.

    Args:
        run: a finished run, or its folder. It stays as it is.
        classes: names of classes that go with all their photos.
        files: photos that go: a file that lists them, one a line, or the lines themselves: a path as in the
            run's ``split.csv``, the path of the file, or the SHA-256 of its content.
        to: the folder of the new run; by default beside the old one, with a number.
        overwrite: replace a run at this place.
        quiet: show no progress.
        allow_code: as of :func:`transferkit.retrain`.

    Returns:
        The new run.

    Raises:
        UserError: there is no such class or photo, or too little would stay; nothing was written.
        GateError: the new run is in its place, but an export of it was refused.
    """
    names = [classes] if isinstance(classes, str) else list(classes)
    if not names and not files:
        raise UserError(fault("forget", None, "--class NAME, or --files LIST"))
    lines, place = _lines(files)
    opened = _Source(run, to, overwrite, open_progress(quiet))
    with allowing(allow_code), opened.place.held():
        return opened.forget(names, lines, place)


class _Source:
    """A run that another one is made from.

    Args:
        run: it.
        to: where the new one will lie.
        overwrite: replace what is there.
        progress: shows the stages.
    """

    def __init__(
        self, run: Run | str | os.PathLike[str], to: Any, overwrite: bool, progress: Progress
    ) -> None:
        self.began = time.perf_counter()
        self.run = run if isinstance(run, Run) else Run(run)
        self.place = RunFolder(to if to is not None else _free_place(self.run.path))
        # What a killed `extend` or `forget` left there is worth nothing: they take seconds.
        left = (self.place.partial / FILE).exists()
        if os.path.abspath(self.place.path) == os.path.abspath(self.run.path):
            hint = "the run stays as it is, and may be removed once the new one has proved itself"
            raise UserError(fault("--run", str(self.place.path), "another place than the run's own", hint))
        self.place.check(overwrite or (left and not self.place.path.exists()), resume=False)
        self.progress = progress
        self.ledger = Ledger.read(self.run.path / "split.csv")
        self.kept = read_kept(self.run, self.ledger)
        self.recipe = self.run.recipe
        paths = [str(photos_root(self.recipe) / row.name) for row in self.ledger.rows]
        self.images = images_of(self.ledger, paths, self.kept.groups, self.run.classes)

    def extend(self, data: str) -> Run:
        progress = self.progress
        found = load_labelled(self.recipe, data, self.run.classes, progress)
        grown = more(self.images, found, self.recipe)
        if grown.known:
            progress.say(f"{grown.known} of the photos are in the run already, and count once")
        parts, network = self._open()
        from transferkit.runs.extend.refit import new_features

        views = self.kept.views is not None
        new, features = new_features(network, parts, grown.new, self.recipe, progress, views)
        new = new.without((), self.recipe.data)
        joined = _together(self.images, new, grown.classes)
        kept = _side_by_side(self.kept, features)
        changes = Changes(
            str(self.run.path),
            "extend",
            added=tuple(name for name in grown.classes if name not in self.run.classes),
            photos=len(new),
            known=grown.known,
        )
        return self._finish(parts, network, joined, kept, np.arange(len(self.images)), changes)

    def forget(self, names: list[str], lines: Sequence[str], place: str) -> Run:
        files = named_files(self.images, lines, place) if lines else []
        left = less(self.images, self.run.classes, files, names)
        if not len(left.images) < len(self.images) and not names:
            raise UserError(fault("forget", None, "photos of the run"))
        parts, network = self._open()
        views = self.kept.views
        if views is not None:
            train = self.images.of_split("train")
            views = views[:, np.isin(train, left.kept)]
        kept = KeptFeatures(self.kept.values[left.kept], views, left.images.groups, self.kept.exact)
        notes: tuple[str, ...] = ()
        if any(one.trains_backbone and not one.discarded for one in self.run.kept):
            notes = ("the backbone was trained with what is gone here, and keeps what it learned from it",)
        changes = Changes(
            str(self.run.path),
            "forget",
            removed=tuple(names),
            photos=len(self.images) - len(left.images),
            notes=notes,
        )
        return self._finish(parts, network, left.images, kept, left.kept, changes)

    def _open(self) -> tuple[Parts, Network]:
        """The run's network; TensorFlow loads only once nothing can be refused without it."""
        prepare_import()
        with self.progress.stage("start", doing="loading TensorFlow and Keras"):
            start_tensorflow()
            with loading():
                from transferkit.runs.execute import execute  # noqa: F401
        from transferkit.recipe import admit_code
        from transferkit.runs.finished.restore import restore

        self.recipe = admit_code(self.recipe)
        self.run.__dict__["recipe"] = self.recipe
        with self.progress.stage("network", doing="building it and loading its weights"):
            parts, network = restore(self.run)
        # What the weights began as stays what the new run's manifest names.
        parts.backbone.weights_sha256 = read_facts(self.run.path)["weights_sha256"]
        return parts, network

    def _finish(
        self,
        parts: Parts,
        network: Network,
        images: Images,
        kept: KeptFeatures,
        of_old: np.ndarray,
        changes: Changes,
    ) -> Run:
        """Fits, evaluates, exports; ``of_old``: the earlier run's images that come first in ``images``."""
        from transferkit.runs.execute import execute
        from transferkit.runs.extend.changes import Proof
        from transferkit.runs.extend.refit import known_features, parts_for, prove

        closed = network.head.closed_form
        root = _root(images.paths)
        images = replace(
            images,
            rows=tuple(
                replace(row, name=_name(path, root))
                for row, path in zip(images.rows, images.paths, strict=True)
            ),
        )
        recipe, notes = _recipe(self.recipe, self.place.path / LISTED, root, images, closed)
        changes = replace(changes, notes=(*changes.notes, *notes))
        for note in notes:
            self.progress.say(note)
        wanted = gates.parse(recipe.evaluation.fail_under, images.classes)
        with self.progress.stage("proof", doing="fitting the run's own head from what it kept"):
            proof = (
                prove(parts, network, self.kept, self.images)
                if closed
                else Proof(False, None, len(self.images))
            )
        before = _Before(network, self.kept.values[of_old])
        extension = _Extension(
            known_features(kept, images),
            images,
            self.run.classes,
            before,
            replace(changes, proof=proof),
            root,
        )
        made = parts_for(parts, recipe, images.classes, warm=not closed)
        context = RunContext(self.place, wanted, self.progress, self.began)
        evaluation = execute(recipe, images, context, made, extension)
        finished = Run(self.place.path)
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

        return _given(probabilities(self.network, self.values[rows]), self.network)


@dataclass(frozen=True)
class _Extension:
    """See :class:`transferkit.runs.execute.Extension`."""

    cut_features: CutFeatures
    images: Images
    old: tuple[str, ...]
    before: _Before
    changes: Changes
    root: str

    def begin(self, folder: Path) -> None:
        self.changes.write(folder)
        _write_list(folder / LISTED, self.images)

    def settle(self, folder: Path, evaluation: Evaluation) -> Changes:
        held_out = self.images.of_split(self.images.held_out)
        rows = np.flatnonzero(held_out < len(self.before.values))
        chosen = held_out[rows]
        labels = self.images.labels[chosen]
        if labels.ndim == 1:
            labels = np.eye(len(self.images.classes), dtype=bool)[labels]
        after = evaluation.predicted[rows]
        if after.ndim == 1:
            after = np.eye(len(self.images.classes), dtype=bool)[after]
        found, accuracy = class_changes(
            self.before.given(chosen), after, labels.astype(bool), self.images.classes, self.old
        )
        changes = replace(self.changes, classes=found, accuracy=accuracy)
        changes.write(folder)
        return changes


def _given(probabilities: np.ndarray, network: Network) -> np.ndarray:
    if network.head.multi_label:
        return np.asarray(probabilities >= np.asarray(network.head.thresholds, np.float32))
    return np.asarray(np.eye(probabilities.shape[1], dtype=bool)[probabilities.argmax(axis=1)])


def _together(old: Images, new: Images, classes: tuple[str, ...]) -> Images:
    labels = old.labels
    if old.multi_label:
        grown = np.zeros((len(old), len(classes)), np.float32)
        grown[:, : labels.shape[1]] = labels
        labels = grown
    return Images(
        classes,
        (*old.rows, *new.rows),
        (*old.paths, *new.paths),
        np.concatenate([labels, new.labels.astype(labels.dtype)]),
        new.unreadable,
        groups=(*old.groups, *(new.groups or tuple(row.sha256 for row in new.rows))),
    )


def _side_by_side(old: KeptFeatures, new: KeptFeatures) -> KeptFeatures:
    views = old.views
    if views is not None and new.views is not None:
        views = np.concatenate([views, new.views], axis=1)
    return KeptFeatures(
        np.concatenate([old.values, new.values]), views, (*old.groups, *new.groups), old.exact and new.exact
    )


def _recipe(
    recipe: Recipe, listed: Path, root: str, images: Images, closed: bool
) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe of the new run, and what of it is other than expected."""
    values = recipe.values()
    notes = []
    values.pop("sweep", None)
    for key in ("ledger", "edits", "columns", "encoding", "path_suffix"):
        values["data"].pop(key, None)
    values["data"] |= {"path": str(listed), "root": root, "classes": list(images.classes)}
    if not closed:
        # The backbone stays as it is: what is kept are its features.
        first = values.pop("phases", [{}])[0]
        first.pop("name", None)
        values |= {**first, "freeze": "all"}
    formats = [name for name in recipe.export.formats if not getattr(load_format(name), "PHOTOS", False)]
    if len(formats) < len(recipe.export.formats) and not any(map(os.path.isfile, images.paths)):
        gone = ", ".join(name for name in recipe.export.formats if name not in formats)
        notes.append(f"{gone} is left out: it is measured on photos, and none of the run's are there")
        values["export"]["formats"] = formats
    known = set(images.classes)
    demanded = {
        key: value
        for key, value in recipe.evaluation.fail_under.items()
        if "." not in key or key.partition(".")[2] in known
    }
    if demanded != recipe.evaluation.fail_under:
        notes.append("gates on classes that are gone are left out")
        values["evaluation"]["fail_under"] = demanded
    return Recipe.model_validate_json(json.dumps(values), strict=True), tuple(notes)


def _root(paths: Sequence[str]) -> str:
    """The deepest folder above all photos: their names begin there."""
    absolute = [os.path.abspath(path) for path in paths]
    found = os.path.commonpath(absolute)
    return found if found not in absolute else os.path.dirname(found)


def _name(path: str, root: str) -> str:
    return Path(os.path.relpath(os.path.abspath(path), root)).as_posix()


def _write_list(file: Path, images: Images) -> None:
    """The photos as a manifest, so that the run's recipe leads to them as any recipe does."""
    with whole_file(file) as beside, open(beside, "w", encoding="utf-8") as opened:
        for number, row in enumerate(images.rows):
            group = images.groups[number] if images.groups else ""
            named = group.removeprefix("group:") if group.startswith("group:") else ""
            label = {"labels": json.loads(row.label)} if images.multi_label else {"label": row.label}
            # Escaped throughout: a name may have bytes that are no UTF-8.
            opened.write(json.dumps({"path": row.name, **label, "split": row.split, "group": named}) + "\n")


def _free_place(path: Path) -> Path:
    number = 2
    path = path.absolute() if not path.name else path
    while (found := path.with_name(f"{path.name}-{number}")).exists():
        number += 1
    return found


def _lines(files: Any) -> tuple[list[str], str]:
    """The lines of a list of photos, and what messages call it."""
    if not isinstance(files, str | os.PathLike):
        return [os.fspath(one) for one in files], "--files"
    try:
        return Path(files).read_text("utf-8-sig").split("\n"), str(files)
    except (OSError, ValueError) as error:
        hint = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UserError(fault("--files", str(files), "a text file with a photo a line", hint)) from None
