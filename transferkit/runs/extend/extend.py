"""More photos and classes for a finished run, or fewer, from the features that it keeps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from transferkit.code_permission import allowing
from transferkit.errors import UserError, fault
from transferkit.report.notebook_progress import open_progress
from transferkit.runs.extend.changes import Changes
from transferkit.runs.extend.joined_images import less, more, named_files, together
from transferkit.runs.extend.make_extended_run import Content, make_run
from transferkit.runs.extend.source_run import SourceRun
from transferkit.runs.finished.other_data import reading
from transferkit.runs.finished.run import Run
from transferkit.runs.folder.kept_features import KeptFeatures
from transferkit.training.prepare_images import load_labelled
from transferkit.type_names import Override

__all__ = ["extend", "forget"]


def extend(
    run: Run | str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    to: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    quiet: bool = True,
    allow_code: bool = False,
    overrides: Sequence[Override] = (),
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
        overrides: how the new photos are read, where it is not as in the run: ``"data.columns={path='id'}"``,
            ``"data.max_unreadable=0.2"`` and so on.

    Returns:
        The new run; :attr:`Run.changes` says what changed.

    Raises:
        UserError: the run keeps no features, or the photos do not fit it; nothing was written.
        GateError: the new run is in its place, but an export of it was refused.
    """
    if not isinstance(data, str | os.PathLike):
        hint = "write the photos into a folder a class, or list them in a manifest"
        raise UserError(fault("data", type(data).__name__, "a folder, manifest or archive", hint))
    opened = SourceRun(run, to, overwrite, open_progress(quiet))
    with allowing(allow_code), opened.place.held():
        return _extended(opened, os.fspath(data), overrides)


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
    opened = SourceRun(run, to, overwrite, open_progress(quiet))
    with allowing(allow_code), opened.place.held():
        return _without(opened, names, lines, place)


def _extended(source: SourceRun, data: str, overrides: Sequence[Override]) -> Run:
    progress = source.progress
    read, own = reading(source.recipe, overrides)
    found = load_labelled(read, data, source.run.classes, progress, own=own, admit_new=True)
    grown = more(source.images, found, source.recipe)
    if grown.known:
        progress.say(f"{grown.known} of the photos are in the run already, and count once")
    parts, network = source.open_network()
    from transferkit.runs.extend.refit import new_features

    views = source.kept.views is not None
    new, features = new_features(network, parts, grown.new, read, progress, views)
    new = new.without((), read.data)
    joined = together(source.images, new, grown.classes)
    changes = Changes(
        str(source.run.path),
        "extend",
        added=tuple(name for name in grown.classes if name not in source.run.classes),
        photos=len(new),
        known=grown.known,
        tuned=_tuned(source.run),
    )
    content = Content(joined, source.kept.joined(features), np.arange(len(source.images)))
    return make_run(source, parts, network, content, changes)


def _without(source: SourceRun, names: list[str], lines: Sequence[str], place: str) -> Run:
    files = named_files(source.images, lines, place) if lines else []
    left = less(source.images, source.run.classes, files, names)
    if not len(left.images) < len(source.images) and not names:
        raise UserError(fault("forget", None, "photos of the run"))
    parts, network = source.open_network()
    views = source.kept.views
    if views is not None:
        train = source.images.of_split("train")
        views = views[:, np.isin(train, left.kept)]
    kept = KeptFeatures(source.kept.values[left.kept], views, left.images.groups, source.kept.exact)
    tuned = _tuned(source.run)
    notes: tuple[str, ...] = ()
    if tuned:
        notes = ("the backbone was fine-tuned earlier, and keeps what it learned from photos that are gone",)
    changes = Changes(
        str(source.run.path),
        "forget",
        removed=tuple(names),
        photos=len(source.images) - len(left.images),
        notes=notes,
        tuned=tuned,
    )
    return make_run(source, parts, network, Content(left.images, kept, left.kept), changes)


def _tuned(run: Run) -> bool:
    """The backbone learned from photos, in this run or in one that it was made from."""
    before = run.changes
    return (before is not None and before.tuned) or any(
        one.trains_backbone and not one.discarded for one in run.kept
    )


def _lines(files: str | os.PathLike[str] | Sequence[str]) -> tuple[list[str], str]:
    """The lines of a list of photos, and what messages call it."""
    if not isinstance(files, str | os.PathLike):
        return [os.fspath(one) for one in files], "--files"
    try:
        # What `ls` wrote has the bytes of the names, whatever they are.
        text = Path(files).read_bytes().decode("utf-8-sig", "surrogateescape")
        if "\0" in text:
            raise ValueError
        return text.split("\n"), str(files)
    except (OSError, ValueError) as error:
        hint = getattr(error, "strerror", None) or "it is none"
        raise UserError(fault("--files", str(files), "a text file with a photo a line", hint)) from None
