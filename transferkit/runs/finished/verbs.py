"""What the command line does with a finished run or an export, as functions.

Each verb of the command line has its function in ``transferkit``; these are the ones that need no more than
the path of a run. Those who ask several things of one run open it once: :func:`transferkit.load_run`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from transferkit.runs.finished.run import Run
from transferkit.runs.remote.local_copy import local_copy
from transferkit.type_names import Override

if TYPE_CHECKING:
    from transferkit.evaluation import Evaluation
    from transferkit.runs.prediction.prediction import Prediction

__all__ = ["evaluate", "export_run", "predict", "verify"]

Place = str | os.PathLike[str]


def evaluate(
    run: Place | Run,
    data: Place | None = None,
    *,
    split: str | None = None,
    fail_under: str | float | None = None,
    quiet: bool = True,
    allow_code: bool = False,
    devices: str | None = None,
    overrides: Sequence[Override] = (),
) -> Evaluation:
    """Evaluates a run on the images it held out, or on other images: ``transferkit evaluate``.

    Args:
        run: a finished run, or its folder.
        data: other images, as ``--data`` takes them; the run's own if None.
        split: ``"train"``, ``"val"``, ``"test"`` or ``"all"``; by default what the run held out, and
            everything of other images.
        fail_under: gates, such as ``0.9`` or ``"accuracy=0.9,recall.roses=0.8"``.
        quiet: show no progress.
        allow_code: as of :func:`transferkit.retrain`.
        devices: as ``--devices`` takes them; the run's own where this machine has them.
        overrides: how ``data`` is read, where it is not as in the run: ``"data.columns={path='id'}"``.

    Raises:
        UserError: there is no such run, the devices or images are unavailable, or these have classes that it
            does not know.
        GateError: a gate was missed.
    """
    return _opened(run).evaluate(
        data,
        split=split,
        fail_under=fail_under,
        quiet=quiet,
        allow_code=allow_code,
        devices=devices,
        overrides=overrides,
    )


def export_run(
    run: Place | Run,
    to: Place | None = None,
    *,
    formats: Sequence[str] | None = None,
    data: Place | None = None,
    parity: bool | int | None = None,
    agreement: float | None = None,
    quiet: bool = True,
    allow_code: bool = False,
) -> Path:
    """Exports a run's network anew, as the next numbered version: ``transferkit export``.

    Args:
        run: a finished run, or its folder.
        to: the folder of the versions; the run's own ``export`` by default.
        formats: such as ``["tflite", "onnx"]``, beside the SavedModel; the recipe's by default.
        data: where the run's images lie now, if they moved: exports are checked on held-out ones.
        parity: False leaves the check out, a number says how many images; the recipe's by default.
        agreement: least share of images, 0 to 1, that a quantised format answers as the model does.
        quiet: show no progress.
        allow_code: as of :func:`transferkit.retrain`.

    Returns:
        The version's folder.

    Raises:
        UserError: a format or the images are unavailable; nothing was written.
        GateError: a format was refused; the others are in their place.
    """
    return _opened(run).export(
        to,
        formats=formats,
        data=data,
        parity=parity,
        agreement=agreement,
        quiet=quiet,
        allow_code=allow_code,
    )


def predict(model: Place | Run, images: Place | Iterable[Place], *, top: int = 3) -> list[Prediction]:
    """Names what is on images: ``transferkit predict``.

    Args:
        model: a run, an export, or one file of it (``.tflite``, ``.keras``, ``.onnx``).
        images: image files and folders, or one of them.
        top: classes to name for each image.

    Returns:
        One prediction a file; its ``error`` says where one could not be read.

    Raises:
        UserError: there is no such model or image, or the export was changed since it was written.
    """
    from transferkit.runs.prediction.exported import Exported
    from transferkit.runs.prediction.find_export import find_model
    from transferkit.runs.prediction.image_files import image_files

    paths = [images] if isinstance(images, str | os.PathLike) else images
    exported = Exported(find_model(model.path if isinstance(model, Run) else model))
    return list(exported.predict(image_files(paths), top=top))


def verify(run: Place | Run, data: Place | None = None, *, allow_code: bool = False) -> list[str]:
    """Says what has changed since a run or an export was written: ``transferkit verify``.

    Args:
        run: a finished run, its folder, or an export's.
        data: where the run's images lie now, if they moved; a move alone is no change.
        allow_code: as of :func:`transferkit.retrain`; of a run's code only its backbone is needed.

    Returns:
        One line for each fact that changed; empty where nothing did.

    Raises:
        UserError: manifest, data or weights are unavailable.
    """
    from transferkit.runs.folder.verify import changed_files, verify_run, version_of

    place = run.path if isinstance(run, Run) else local_copy(run)
    if not (place / "metrics.json").exists() and version_of(place) is not None:
        return changed_files(place)
    return verify_run(_opened(run), data, allow_code)


def _opened(run: Place | Run) -> Run:
    return run if isinstance(run, Run) else Run(run)
