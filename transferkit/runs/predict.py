"""Predictions from an export: TensorFlow alone, no Keras, a batch of files at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferkit.errors import UserError, fault
from transferkit.runs.start import start_tensorflow

__all__ = ["Exported", "Prediction", "find_export", "image_files"]

_IMAGE_ENDINGS = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp"}


@dataclass(frozen=True)
class Prediction:
    """The answer for one file.

    Attributes:
        path: the file, as it was given.
        top: ``(label, probability)`` pairs, the most probable first; empty where the file failed.
        error: why the file could not be read as an image, else None.
    """

    path: str
    top: tuple[tuple[str, float], ...] = ()
    error: str | None = None

    @property
    def label(self) -> str | None:
        """The most probable class."""
        return self.top[0][0] if self.top else None


class Exported:
    """A SavedModel that transferkit wrote, loaded for predictions.

    Args:
        folder: the SavedModel's folder.
    """

    def __init__(self, folder: Path) -> None:
        start_tensorflow()
        import tensorflow as tf

        self.folder = folder
        self._model = tf.saved_model.load(str(folder))
        signatures = self._model.signatures
        if "serving_default" not in signatures or "bytes" not in _inputs(signatures["serving_default"]):
            expected = (
                "a SavedModel with the signature serving_default(bytes), as `transferkit export` writes"
            )
            raise UserError(fault("predict", str(folder), expected))
        self._serve = signatures["serving_default"]
        self.labels = [
            line for line in (folder / "assets" / "labels.txt").read_text("utf-8").split("\n") if line
        ]

    def answer(self, encoded: list[bytes]) -> dict[str, Any]:
        """The signature's outputs, as NumPy arrays, for encoded images."""
        import tensorflow as tf

        return {name: value.numpy() for name, value in self._serve(bytes=tf.constant(encoded)).items()}

    def predict(
        self, paths: Iterable[str | os.PathLike[str]], top: int = 3, batch_size: int = 16
    ) -> Iterator[Prediction]:
        """Predicts files lazily, in their order; a file that fails is reported and does not end the rest."""
        batch: list[str] = []
        for path in paths:
            batch.append(os.fspath(path))
            if len(batch) == batch_size:
                yield from self._predict_batch(batch, top)
                batch = []
        if batch:
            yield from self._predict_batch(batch, top)

    def _predict_batch(self, paths: list[str], top: int) -> Iterator[Prediction]:
        import tensorflow as tf

        from transferkit.data.transcode import readable_in_graph

        read: dict[str, bytes] = {}
        errors: dict[str, str] = {}
        for path in paths:
            try:
                read[path] = readable_in_graph(Path(path).read_bytes())
            except OSError as error:
                errors[path] = error.strerror or type(error).__name__
            except ValueError as error:
                errors[path] = str(error)
        answers: dict[str, tuple[tuple[str, float], ...]] = {}
        try:
            answers = dict(zip(read, self._top(list(read.values()), top), strict=True)) if read else {}
        except tf.errors.InvalidArgumentError:
            # One bad file fails the whole batch: find it by asking one at a time.
            for path, encoded in read.items():
                try:
                    answers[path] = self._top([encoded], top)[0]
                except tf.errors.InvalidArgumentError as error:
                    errors[path] = _reason(error.message)
        for path in paths:
            yield Prediction(path, answers.get(path, ()), errors.get(path))

    def _top(self, encoded: list[bytes], top: int) -> list[tuple[tuple[str, float], ...]]:
        outputs = self.answer(encoded)
        return [
            tuple((self.labels[index], float(probabilities[index])) for index in class_ids[:top])
            for probabilities, class_ids in zip(outputs["probabilities"], outputs["class_ids"], strict=True)
        ]


def find_export(place: str | os.PathLike[str]) -> Path:
    """The SavedModel's folder, from that folder itself, its parent of numbered versions, or a run.

    Raises:
        UserError: there is none.
    """
    place = Path(place)
    for folder in (place, place / "export"):
        if (folder / "saved_model.pb").is_file():
            return folder
        if folder.is_dir():
            versions = [path for path in folder.iterdir() if path.name.isdigit()]
            for version in sorted(versions, key=lambda path: int(path.name), reverse=True):
                if (version / "saved_model.pb").is_file():
                    return version
    mend = "there is no such folder" if not place.exists() else "it holds no saved_model.pb"
    raise UserError(fault("predict", str(place), "a run or an export", mend))


def image_files(places: Iterable[str | os.PathLike[str]]) -> Iterator[str]:
    """Files to predict, lazily: the files named, and of folders, walked in order, those named like images.

    Raises:
        UserError: a place does not exist (before the first file is given).
    """
    named = [os.fspath(place) for place in places]
    missing = [place for place in named if not os.path.exists(place)]
    if missing:
        raise UserError(
            *(fault("predict", place, "an image or a folder", "no such file") for place in missing)
        )
    for place in named:
        if os.path.isdir(place):
            yield from _walk(place)
        else:
            yield place


def _walk(folder: str) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in _IMAGE_ENDINGS:
                yield os.path.join(parent, name)


def _inputs(signature: Any) -> dict[str, Any]:
    return signature.structured_input_signature[1]


def _reason(message: str) -> str:
    """The first line of TensorFlow's message, without the nodes' names."""
    return message.split("\n")[0].split("[[")[0].strip()
