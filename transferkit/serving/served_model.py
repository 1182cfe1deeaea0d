"""The export that is served, whatever its format: one function from images to rows, and what they mean."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from transferkit.errors import UserError, fault
from transferkit.export.no_keras import without_keras
from transferkit.runs.prediction.exported import Exported
from transferkit.runs.prediction.find_export import find_model

__all__ = ["ENGINES", "Served", "name_of"]

ENGINES = ("auto", "saved_model", "tensorflow", "openvino")


class Served:
    """An export, ready to answer.

    Args:
        place: a run, an export, or one file of it.
        name: under which it is asked; that of the run's folder by default.
        engine: what runs a SavedModel: ``"saved_model"`` itself, an engine of the activations, or ``"auto"``,
            the fastest that agrees with it on this machine. A file of another format has its own.
        keras: whether Keras is needed in this process, by what explains answers.

    Attributes:
        name: the same.
        version: its number as a server of versions counts it.
        exported: the export.
        about: what it says of itself.
        engine: what runs it.

    Raises:
        UserError: there is no such export, or it is damaged; or the engine is unavailable.
    """

    def __init__(
        self,
        place: str | os.PathLike[str],
        name: str | None = None,
        engine: str = "auto",
        keras: bool = False,
    ) -> None:
        found = find_model(place)
        self.name = name or name_of(Path(place))
        plain = keras or found.suffix == ".keras"
        with contextlib.nullcontext() if plain else without_keras():
            self.exported = Exported(found)
        self.about = self.exported.about
        folder = found if found.is_dir() else found.parent
        self.version = int(folder.name) if folder.name.isdigit() else 1
        self._answer = self._made(engine)
        self.engine = self.exported.engine

    def answer(self, images: np.ndarray) -> np.ndarray:
        """Rows float32 ``[N, classes]`` of uint8 ``[N, h, w, 3]``, with the score of novelty behind them.

        Raises:
            ValueError: the answers are no numbers.
        """
        rows = self._answer(images)
        if not np.isfinite(rows).all():
            raise ValueError("the network's answers are no numbers (NaN): its weights are damaged")
        return rows

    def _made(self, engine: str) -> Callable[[np.ndarray], np.ndarray]:
        exported = self.exported
        if exported.format != "saved_model":
            if engine != "auto":
                hint = f"{exported.format} has its own; name the SavedModel's folder to choose one"
                raise UserError(fault("--engine", engine, "auto", hint))
            return exported.answer_images
        return exported.answer_images if engine == "saved_model" else exported.make_engine(engine)


def name_of(place: Path) -> str:
    """The name that people know a model by: of its run's folder, whatever part of that is named.

    >>> name_of(Path("runs/flowers/export/3")), name_of(Path("runs/flowers"))
    ('flowers', 'flowers')
    """
    whole = place.resolve()
    if whole.is_file():
        whole = whole.parent
    while (whole.name.isdigit() or whole.name == "export") and whole.parent != whole:
        whole = whole.parent
    return whole.name or "model"
