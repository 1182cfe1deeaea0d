"""Retrain: a recipe in, a finished run out."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transferkit.errors import UserError, fault
from transferkit.evaluation import gates
from transferkit.files.cache_location import writable_cache_folder
from transferkit.interruption import resumable, resume_hint
from transferkit.keras_settings import prepare_import
from transferkit.permission import allowing
from transferkit.recipe import Recipe, admit_code, load
from transferkit.recipe.origins import diff
from transferkit.report.notebook_progress import open_progress
from transferkit.runs.checks.preflight import check_run, checked_recipe, collect
from transferkit.runs.checks.same_data import same_data
from transferkit.runs.extend.changes import FILE as EXTENDED
from transferkit.runs.finished.run import Run
from transferkit.runs.folder.located import BEGUN, located, read_begun, read_paths, with_value
from transferkit.runs.folder.run_folder import RunFolder
from transferkit.runs.run_context import RunContext
from transferkit.tensorflow_startup import loading, start_tensorflow
from transferkit.training.images import missing_data, prepare

__all__ = ["retrain"]


def retrain(
    recipe: str | os.PathLike[str] | None = None,
    *,
    data: Any = None,
    backbone: str | Mapping[str, Any] | None = None,
    run: str | os.PathLike[str] | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    head: str | Mapping[str, Any] | None = None,
    freeze: str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    seed: int | None = None,
    overrides: Sequence[str | tuple[str, Any]] = (),
    resume: bool = False,
    overwrite: bool = False,
    fail_under: str | float | None = None,
    quiet: bool = False,
    allow_code: bool = False,
    **values: Any,
) -> Run:
    """Retrains a backbone on a folder of images, evaluates and exports it.

    A recipe with a ``[sweep]`` runs all its trials; the best one becomes the run, with ``trials/``,
    ``sweep.csv`` and ``best.toml`` beside its other files.

    Args:
        recipe: a recipe's name or file; ``retrain`` by default.
        data: the labelled images, as ``--data`` takes them; the recipe's by default, as all that follows. Or
            what a program holds: a data frame of paths (from the current folder) and labels, ``(images,
            labels)`` with images of 0 to 255, a ``tf.data.Dataset`` of such pairs, or a data set of Hugging
            Face; images are written into the cache once, by their content.
        backbone: a card's name, ``hub:HANDLE`` and the like, or the recipe's whole table.
        run: the folder of the run; ``runs/BACKBONE-DATE-TIME`` by default.
        epochs: passes over the training images.
        learning_rate: the optimizer's.
        batch_size: images in a training step.
        image_size: pixels, one number or height and width.
        head: its kind, or the recipe's whole table.
        freeze: ``"all"``, ``"none"``, ``{"until": NAME}``, ``{"last": N}``, ``{"fraction": F}``, or rules.
        seed: all chance is drawn from it.
        overrides: ``"key=value"`` with a TOML value, or ``(dotted key, value)`` pairs.
        resume: continue an interrupted run at this place; its own recipe stands.
        overwrite: replace a run at this place.
        fail_under: gates on the evaluation, such as ``0.9`` or ``"accuracy=0.9,recall.roses=0.8"``.
        quiet: show no progress.
        allow_code: let code run that a file outside the current project names, and Lambda layers.
        **values: any other top-level keys of the recipe, such as ``augmentation={"flip": True}``.

    Returns:
        The finished run.

    Raises:
        UserError: what the user gave cannot be run; nothing was written.
        GateError: the run is finished and in its place, but misses a gate.
    """
    given: dict[str, Any] = {"data": data, "backbone": backbone, "epochs": epochs, "batch_size": batch_size}
    given |= {"head": head, "freeze": freeze, "seed": seed}
    values |= {key: value for key, value in given.items() if value is not None}
    pairs = {"optimizer.learning_rate": learning_rate, "backbone.input_size": image_size}
    overrides = [*((key, value) for key, value in pairs.items() if value is not None), *overrides]
    with allowing(allow_code):
        return _retrain(recipe, run, overrides, resume, overwrite, fail_under, quiet, values)


def _retrain(
    recipe: str | os.PathLike[str] | None,
    run: str | os.PathLike[str] | None,
    overrides: Sequence[str | tuple[str, Any]],
    resume: bool,
    overwrite: bool,
    fail_under: str | float | None,
    quiet: bool,
    values: dict[str, Any],
) -> Run:
    began = time.perf_counter()
    if isinstance(values.get("data"), str | os.PathLike):
        overrides = [("data.path", os.fspath(values.pop("data"))), *overrides]
    elif values.get("data") is not None and not _is_section(values["data"]):
        from transferkit.data.in_memory import write_source

        written = write_source(values.pop("data"), writable_cache_folder() / "sources")
        overrides = [*written.items(), *overrides]
    if resume and run is None:
        raise UserError(fault("--resume", hint="say which run to continue with --run DIR"))
    given = None if resume else _given(recipe, run, overrides, overwrite, fail_under, values)
    place = RunFolder(run if run is not None else _default_place(given))
    hint = resume_hint(str(place.path), lambda: place.resumable)
    with place.held(), resumable(hint):
        if given is None:
            given = _interrupted(place, recipe, overrides, values)
        return _run(given, place, resume, overwrite, fail_under, quiet, began)


def _is_section(data: Any) -> bool:
    """Whether it is the table ``[data]`` of a recipe, rather than images."""
    return (
        isinstance(data, dict)
        and all(isinstance(key, str) for key in data)
        and not any(hasattr(one, "features") for one in data.values())
    )


def _run(
    resolved: Recipe,
    place: RunFolder,
    resume: bool,
    overwrite: bool,
    fail_under: str | float | None,
    quiet: bool,
    began: float,
) -> Run:
    prepare_import()
    if resume:
        check_run(resolved)
    place.check(overwrite, resume)
    wanted = gates.parse(fail_under if fail_under is not None else resolved.evaluation.fail_under)
    progress = open_progress(quiet)
    images = prepare(resolved, progress)
    if resume:
        images = same_data(place.partial if resolved.sweep is None else place.partial / "trials", images)
    gates.parse(fail_under if fail_under is not None else resolved.evaluation.fail_under, images.classes)
    for note in images.notes:
        progress.say(note)

    # TensorFlow and Keras load only now, when all that can be refused without them has been.
    with progress.stage("start", doing="loading TensorFlow and Keras"):
        start_tensorflow()
        with loading():
            from transferkit.runs.execute import execute
            from transferkit.runs.sweep.run_sweep import run_sweep

    run_all = execute if resolved.sweep is None else run_sweep
    evaluation = run_all(resolved, images, RunContext(place, wanted, progress, began, resume))
    finished = Run(place.path)
    gates.check(evaluation, wanted)
    return finished


def _given(
    reference: str | os.PathLike[str] | None,
    run: str | os.PathLike[str] | None,
    overrides: Sequence[str | tuple[str, Any]],
    overwrite: bool,
    fail_under: str | float | None,
    values: dict[str, Any],
) -> Recipe:
    """The recipe of a new run, once all that can be known beforehand is known to be right with it."""

    def more(recipe: Recipe) -> Iterator[str]:
        """What is wrong with the run beside its recipe."""
        if recipe.data.path is None:
            yield missing_data()
        yield from collect(
            lambda: gates.parse(fail_under),
            lambda: RunFolder(run).check(overwrite, resume=False) if run is not None else None,
        )

    return checked_recipe(reference, overrides, components=True, more=more, **values)


def _interrupted(
    place: RunFolder,
    reference: str | os.PathLike[str] | None,
    overrides: Sequence[str | tuple[str, Any]],
    values: dict[str, Any],
) -> Recipe:
    """The recipe that an interrupted run was started with; only where its data lies may be said anew."""
    if not place.interrupted:
        expected = "an interrupted run"
        hint = "it is finished" if place.path.exists() else "none was started there"
        raise UserError(fault("--resume", str(place.path), expected, hint))
    if (place.partial / EXTENDED).exists():
        hint = "`transferkit extend` or `forget` was making it: give that command again, it begins anew"
        raise UserError(fault("--resume", str(place.path), None, hint))
    # A sweep's own recipe lies beside that of its best trial.
    kept = place.partial / "sweep.toml"
    if not kept.exists():
        kept = place.partial / "recipe.toml"
    if not kept.exists():
        hint = "it was interrupted before anything was kept; start it anew with --overwrite"
        raise UserError(fault("--resume", str(place.path), None, hint))
    beginning = kept.parent if kept.name == "recipe.toml" else kept.parent / "trials"
    _check_kept(kept, beginning)
    stored = load(kept)
    paths = read_paths(beginning)
    found = admit_code(located(stored, paths, place.path))
    if reference is not None or overrides or any(value is not None for value in values.values()):
        given = admit_code(load(reference if reference is not None else kept, overrides, **values))
        if given.data.path is not None:
            # Whether it is the same data is settled by its content.
            found = with_value(found, "data.path", given.data.path)
            given = with_value(given, "data.path", stored.data.path)
        if given != stored:
            hint = (
                f"leave the recipe's options out, or start anew with --overwrite; {_differing(given, stored)}"
            )
            raise UserError(
                fault("--resume", None, None, f"the recipe is not that of the interrupted run: {hint}")
            )
    return found


def _check_kept(kept: Path, beginning: Path) -> None:
    """Refuses a recipe that is not the one that the interrupted run was begun with."""
    if not (beginning / BEGUN).exists() and (kept.parent / "manifest.json").exists():
        return  # killed between its last file and its move to its place: the manifest says what it holds
    if hashlib.sha256(kept.read_bytes()).hexdigest() != read_begun(beginning).get("recipe_sha256"):
        hint = "it was changed since the run was begun; start anew with --overwrite"
        raise UserError(fault("--resume", str(kept), None, hint))


def _differing(given: Recipe, stored: Recipe) -> str:
    """The first keys in which two recipes differ, with both values."""
    return "; ".join(f"{one.key} is {one.one!r}, was {one.other!r}" for one in diff(given, stored)[:5])


def _default_place(recipe: Recipe | None) -> Path:
    assert recipe is not None  # noqa: S101 -- for the type checker: --resume names its place
    backbone = Path(recipe.backbone.name.partition(":")[2] or recipe.backbone.name).stem
    return Path("runs") / f"{backbone}-{time.strftime('%Y%m%d-%H%M%S')}"
