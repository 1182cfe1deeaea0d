"""An MLflow flavour: runs in a model registry, answered by pyfunc wherever there is TensorFlow.

::

    import mlflow
    import pandas
    import transferkit.mlflow

    with mlflow.start_run():
        info = transferkit.mlflow.log_model(run, name="flowers")
    photos = pandas.DataFrame({"image": [open("photo.jpg", "rb").read()]})
    mlflow.pyfunc.load_model(info.model_uri).predict(photos)

A model holds the export and a small loader: neither a pickle nor transferkit itself is needed to load it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata as distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferkit import mlflow_loader
from transferkit._version import __version__
from transferkit.errors import UserError, fault
from transferkit.packages import installed
from transferkit.runs.prediction.exported import Exported
from transferkit.runs.prediction.find_export import find_export
from transferkit.runs.push.pushed_copy import check_version, copy_version

if TYPE_CHECKING:
    from transferkit.runs.finished.run import Run

__all__ = ["load_model", "log_model", "save_model"]

FLAVOR_NAME = "transferkit"


def save_model(
    run: Run | str | os.PathLike[str],
    path: str | os.PathLike[str],
    mlflow_model: Any = None,
    *,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Writes the newest export of a run as a model of MLflow's.

    Args:
        run: a run or its folder, or an export.
        path: of the new folder.
        mlflow_model: what MLflow hands over where it logs.
        signature: by default images as bytes to label, probability, probabilities, and what else the model
            says: all labels that are there, whether it is confident, whether the photo is unknown.
        input_example: kept with the model.
        pip_requirements: by default the TensorFlow, NumPy and pandas of this environment.
        metadata: kept with the model.

    Raises:
        UserError: MLflow is not installed, or the export is missing or changed since it was written.
    """
    _check_installed()
    from mlflow import pyfunc
    from mlflow.models import Model

    version = _version(run)
    model = mlflow_model if mlflow_model is not None else Model()
    model.add_flavor(FLAVOR_NAME, transferkit_version=__version__, data="data/model", format="saved_model")
    with tempfile.TemporaryDirectory(prefix="transferkit-mlflow-") as name:
        folder = Path(name) / "model"
        copy_version(version, folder)
        pyfunc.save_model(
            path=os.fspath(path),
            mlflow_model=model,
            loader_module="mlflow_loader",
            data_path=os.fspath(folder),
            code_paths=[mlflow_loader.__file__],
            signature=signature if signature is not None else _signature(version),
            input_example=input_example,
            pip_requirements=list(pip_requirements) if pip_requirements is not None else _requirements(),
            metadata=dict(metadata) if metadata is not None else None,
        )


def log_model(run: Run | str | os.PathLike[str], name: str = "model", **settings: Any) -> Any:
    """Logs the newest export of a run to the active run of MLflow's, which is begun where there is none.

    Args:
        run: a run or its folder, or an export.
        name: of the model.
        **settings: as of :func:`save_model`, and of ``mlflow.models.Model.log``, such as
            ``registered_model_name``.

    Returns:
        MLflow's ``ModelInfo``, whose ``model_uri`` loads it.

    Raises:
        UserError: as of :func:`save_model`.
    """
    _check_installed()
    from mlflow.models import Model

    _version(run)  # before anything is begun at MLflow's
    return Model.log(artifact_path=None, flavor=sys.modules[__name__], name=name, run=run, **settings)


def load_model(model_uri: str) -> Exported:
    """The export of a logged model, as transferkit loads it; ``mlflow.pyfunc.load_model`` does without it.

    Args:
        model_uri: such as ``models:/flowers/1``, or a folder.
    """
    _check_installed()
    from mlflow.artifacts import download_artifacts

    return Exported(Path(download_artifacts(artifact_uri=model_uri)) / "data" / "model")


def _version(run: Run | str | os.PathLike[str]) -> Path:
    version = find_export(run if isinstance(run, str | os.PathLike) else run.path)
    check_version(version)
    return version


def _signature(version: Path) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    from transferkit.export.formats.saved_model import read_about

    outputs = [
        ColSpec(DataType.string, "label"),
        ColSpec(DataType.double, "probability"),
        ColSpec(Array(DataType.double), "probabilities"),
    ]
    about = read_about(version)
    if about.multi_label:
        outputs.append(ColSpec(Array(DataType.string), "labels"))
    if about.threshold is not None:
        outputs.append(ColSpec(DataType.boolean, "confident"))
    if about.false_alarms is not None:
        outputs.append(ColSpec(DataType.boolean, "unknown"))
    params = ParamSchema([ParamSpec("threshold", DataType.double, 0.0)])
    return ModelSignature(Schema([ColSpec(DataType.binary, "image")]), Schema(outputs), params)


def _requirements() -> list[str]:
    return [f"{name}=={distributions.version(name)}" for name in ("tensorflow", "numpy", "pandas")]


def _check_installed() -> None:
    if not installed("mlflow"):
        expected = "the package mlflow, which is not installed"
        raise UserError(fault("transferkit.mlflow", None, expected, "pip install 'transferkit[mlflow]'"))
