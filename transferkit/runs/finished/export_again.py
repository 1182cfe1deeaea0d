"""Another export of a finished run: its network made again from its weights, in the wanted formats."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from transferkit.data.pixels.decoding import Decoding
from transferkit.errors import UserError, fault
from transferkit.evaluation import read_predictions
from transferkit.export.formats import load_format
from transferkit.export.versions import exclusive, versions, write_export_manifest
from transferkit.files.remote import is_remote
from transferkit.recipe import Recipe
from transferkit.runs.finished.finished_run import FinishedRun
from transferkit.runs.finished.restore import restore
from transferkit.runs.folder.located import with_value
from transferkit.runs.folder.run_folder import RunFolder
from transferkit.runs.release.artefacts import check_formats, make_export_spec, photos_of
from transferkit.runs.release.parity_gate import HeldOut
from transferkit.runs.release.publish import Release, raise_if_refused, start_checker
from transferkit.runs.remote.versions_at_url import exported_to
from transferkit.runs.results.evaluate_network import predict_network
from transferkit.training.cut_features import extract_features
from transferkit.training.images import Images
from transferkit.training.parts import Parts
from transferkit.training.prepare_images import prepare
from transferkit.training.progress import Progress
from transferkit.transfer.network import Network
from transferkit.type_names import NamedValues

__all__ = ["export_run"]


def export_run(
    run: FinishedRun,
    to: str | os.PathLike[str] | None,
    formats: Sequence[str] | None,
    data: str | os.PathLike[str] | None,
    parity: bool | int | None,
    agreement: float | None,
    quiet: bool,
) -> Path:
    """Writes the next version of a run's export; see :meth:`transferkit.runs.finished.run.Run.export`.

    Args:
        run: a finished Run.
        to: folder of the versions, also at a URL; the run's own by default.
        formats: beside the SavedModel; the recipe's by default.
        data: where the run's images lie now.
        parity: whether to check, or on how many images; the recipe's by default.
        agreement: least share of images, 0 to 1; the recipe's by default.
        quiet: show no progress.
    """
    if to is not None and is_remote(os.fspath(to)):
        with exported_to(os.fspath(to)) as folder:
            return _export(run, folder, formats, data, parity, agreement, quiet)
    with RunFolder(run.path).held() if to is None else nullcontext():
        folder = run.path / "export" if to is None else Path(to)
        with exclusive(folder):
            return _export(run, folder, formats, data, parity, agreement, quiet)


def _export(
    run: FinishedRun,
    folder: Path,
    formats: Sequence[str] | None,
    data: str | os.PathLike[str] | None,
    parity: bool | int | None,
    agreement: float | None,
    quiet: bool,
) -> Path:
    progress = Progress(quiet)
    recipe = _with(run.recipe, formats, parity, agreement)
    section = recipe.export
    measuring = [name for name in section.formats if getattr(load_format(name), "PHOTOS", False)]
    images = _images(run, data, progress, measuring) if section.parity or measuring else None
    with start_checker(section.formats, section.parity) as checker:
        with progress.stage("network", doing="building it and loading its weights"):
            parts, network = restore(run)
        check_formats(section.formats, parts.backbone)
        decoding = Decoding.of(recipe.data, parts.backbone.input_size)
        photos, held_out = None, None
        if images is not None:
            train = [images.paths[index] for index in images.of_split("train")]
            photos = photos_of(train, decoding, recipe.seed)
        if images is not None and section.parity:
            held_out = _held_out(run, images, parts, network, progress)
        release = Release(recipe, folder, checker)
        with progress.stage("export", doing="writing the model's files"):
            export_spec = make_export_spec(parts, network, run.calibrated, photos)
            release.write(
                export_spec, held_out.paths if held_out else (), held_out.labels if held_out else np.zeros(0)
            )
        with progress.stage("parity", unit="artefact", doing=release.doing) as stage:
            version, result = release.publish(held_out, lambda new: _complete(run.path, new))
            stage.update(len(result.findings))
    raise_if_refused(run.calibrated.without_shortfall(), result, run.named())
    return version if version is not None else folder


def _with(
    recipe: Recipe, formats: Sequence[str] | None, parity: bool | int | None, agreement: float | None
) -> Recipe:
    changed: NamedValues = {"formats": tuple(formats) if formats else None}
    changed |= {"parity": parity, "agreement": agreement}
    section = recipe.export.model_copy(
        update={key: value for key, value in changed.items() if value is not None}
    )
    return recipe.model_copy(update={"export": section})


def _images(
    run: FinishedRun, data: str | os.PathLike[str] | None, progress: Progress, measuring: Sequence[str]
) -> Images:
    """The run's images, where they are still available; ``measuring``: formats that measure on some.

    Raises:
        UserError: they are not; says what they are needed for.
    """
    recipe = run.recipe
    if data is not None:
        recipe = with_value(recipe, "data.path", os.fspath(data))
    try:
        return prepare(recipe, progress)
    except UserError as error:
        what = "to check the export on held-out images"
        way = "or leave the check out with --no-parity"
        if measuring:
            what = f"to measure the ranges of {', '.join(measuring)} and to check the export"
            way = "or leave it out"
        hint = f"name the folder where the run's images are now with --data DIR, {way}"
        expected = f"the images that the run was made from, {what}"
        raise UserError(fault("export", recipe.data.path, expected, hint), *error.faults) from None


def _held_out(
    run: FinishedRun, images: Images, parts: Parts, network: Network, progress: Progress
) -> HeldOut:
    """The images that the run was evaluated on, with what its evaluation gave, or gives again."""
    given = read_predictions(run.path / "predictions.csv", run.classes)
    place = {name: index for index, name in enumerate(given.paths)}
    indices = [index for index in images.of_split("test", "val") if images.rows[index].name in place]
    if not indices:
        expected = "images that the run was evaluated on"
        hint = "none of those in predictions.csv is there; name their folder with --data DIR"
        raise UserError(fault("export", str(run.recipe.data.path), expected, hint))
    if given.listed is not None:
        # Only the likeliest classes are listed there: the others are computed once more.
        images, cut_features = extract_features(
            network.cut, parts.backbone.input_size, images.take(np.array(indices)), run.recipe, progress
        )
        every = np.arange(len(images))
        probabilities = predict_network(network, lambda: cut_features.in_order(every, images.labels))
        return HeldOut(list(images.paths), images.labels, probabilities)
    rows = [place[images.rows[index].name] for index in indices]
    return HeldOut([images.paths[index] for index in indices], given.labels[rows], given.probabilities[rows])


def _complete(run: Path, version: Path) -> None:
    """The model card of the run's own export goes with every other one, and each has its own manifest."""
    for earlier in reversed(versions(run / "export")):
        card = earlier / "README.md"
        if earlier != version and card.is_file():
            shutil.copyfile(card, version / "README.md")
            break
    write_export_manifest(version, run / "weights.npz")
