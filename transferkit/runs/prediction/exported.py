"""An export of any format, loaded for predictions; a SavedModel takes the fastest engine, without Keras."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.devices import choose_devices, named_devices
from transferkit.errors import UserError, fault
from transferkit.export.export_spec import About
from transferkit.export.formats import check_installed, format_of, load_format
from transferkit.export.versions import check_artefact
from transferkit.recipe import Recipe
from transferkit.runs.prediction.photo_files import graph_bytes
from transferkit.runs.prediction.prediction import Prediction, make_prediction
from transferkit.runs.prediction.stream import Answers, stream
from transferkit.runs.prediction.whole_network import WholeNetwork, columns_of
from transferkit.tensorflow_startup import start_tensorflow

if TYPE_CHECKING:
    from transferkit.activations.engines.prefix_engine import Engine
    from transferkit.export.formats._base import LoadedArtefact

__all__ = ["MANY", "Exported"]

MANY = 96  # files from which making an engine, a second or two, is won back
_BATCH = 16


class Exported:
    """What transferkit exported, loaded for predictions.

    Args:
        place: a SavedModel's folder, or a file of another format.
        devices: what it computes on, as ``--devices`` takes it; all that there is by default.

    Attributes:
        place: the same.
        format: as recipes name it.
        about: what it says of itself.
        labels: its classes.
        compared: whether its folder has a manifest, so that it is known to be as it was exported.
        scores: whether it tells what is unlike all that it was trained on.
        engine: name of what ran the last files: the format, or an engine of the activations.

    Raises:
        UserError: it is no export, is damaged, was changed since, or its format's packages are missing.
    """

    def __init__(self, place: Path, devices: str | None = None) -> None:
        if not place.is_dir():
            start_tensorflow()  # the formats' modules import it, and what it says at its start is held back
        name = "saved_model" if place.is_dir() else format_of(place)
        if name is None:
            raise UserError(fault("run", str(place), "a run, an export, or a file of one"))
        self.compared = check_artefact(place)
        # Before the format's module, which imports TensorFlow: what that says at its start is held back.
        start_tensorflow()
        self._devices: tuple[str, ...] = ()
        if devices is not None:
            section = named_devices(Recipe(), devices).devices
            self._devices = choose_devices(section).names_here
        check_installed(name, "predict")
        self.place, self.format = place, name
        self._opened: LoadedArtefact = load_format(name).read(place)
        self.about: About = self._opened.about
        self.labels = list(self.about.classes)
        self.scores = self.about.false_alarms is not None
        self.engine = name

    def predict(
        self, paths: Iterable[str | os.PathLike[str]], top: int = 3, engine: str = "auto"
    ) -> Iterator[Prediction]:
        """Predicts files lazily, in their order; a file that fails is reported and does not end the rest.

        Args:
            paths: files; only as many as are being worked on are held.
            top: classes to name.
            engine: ``"auto"`` takes the SavedModel for fewer than :data:`MANY` files, and from there the
                fastest engine that agrees with it; or one of these by name, or ``"saved_model"``. A file of
                another format has an engine of its own.

        Raises:
            UserError: the engine is for SavedModels alone, or the answers are no numbers.
        """
        if self.format != "saved_model":
            if engine != "auto":
                hint = f"{self.format} has its own; name the SavedModel's folder to choose one"
                raise UserError(fault("--engine", engine, "auto", hint))
            yield from self._stream((os.fspath(path) for path in paths), top, lambda images: self._answer)
            return
        left: Iterator[str] = (os.fspath(path) for path in paths)
        if engine == "auto":
            first = list(itertools.islice(left, MANY))
            left = itertools.chain(first, left)
            if len(first) < MANY:
                engine = "saved_model"
        if engine == "saved_model":
            while part := list(itertools.islice(left, _BATCH)):
                yield from self._predict_batch(part, top)
        else:
            yield from self._stream(left, top, lambda images: self._engine(images, engine))

    def predict_images(self, images: Iterable[Any], top: int = 3) -> Iterator[Prediction]:
        """Predicts images that a program holds; they are named by their number.

        Args:
            images: as :func:`transferkit.data.in_memory.encode_image` takes them, of any size each.
            top: classes to name.

        Raises:
            UserError: one of them is no image; or this is no SavedModel.
        """
        from transferkit.data.in_memory import encode_image

        if self.format != "saved_model":
            raise UserError(fault("export", str(self.place), "a SavedModel, which takes images of any size"))
        numbered = enumerate(images)
        while part := list(itertools.islice(numbered, _BATCH)):
            answers = self._from_bytes([encode_image(image, f"image {number}") for number, image in part])
            for (number, _), answer in zip(part, answers, strict=True):
                yield self._prediction(f"image {number}", answer, top)

    def answer_images(self, images: np.ndarray) -> np.ndarray:
        """Rows for images of the network's own size, as they come from decoding.

        Args:
            images: uint8 ``[N, h, w, 3]``.

        Returns:
            float32 ``[N, classes]``, the probabilities; where :attr:`scores`, a further column, the novelty.
        """
        if self.format != "saved_model":
            return self._answer(images)
        import tensorflow as tf

        model: Any = self._opened.model
        result: np.ndarray = columns_of(model.answer(tf.constant(images)), self.scores).numpy()
        return result

    def make_engine(self, wanted: str) -> Answers:
        """What answers as :meth:`answer_images`, in an engine of the activations; of a SavedModel.

        Args:
            wanted: its name, or ``"auto"`` for the fastest that agrees with the SavedModel.

        Raises:
            UserError: it is unavailable, or does not agree.
        """
        # What engines are compared and timed on, before there is a photo: fields of colour.
        height, width = self.about.input_size
        coarse = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)
        sample = coarse.repeat(-(-height // 8), axis=1).repeat(-(-width // 8), axis=2)[:, :height, :width]
        return self._engine(np.ascontiguousarray(sample), wanted)

    def _predict_batch(self, paths: list[str], top: int) -> Iterator[Prediction]:
        import tensorflow as tf

        from transferkit.data.reader import reason_of

        read: list[tuple[int, bytes]] = []
        answers: dict[int, Prediction] = {}
        for place, path in enumerate(paths):
            try:
                read.append((place, graph_bytes(path, self.about.decoding)))
            except ValueError as error:
                answers[place] = Prediction(path, error=str(error))
        try:
            given = self._from_bytes([encoded for _, encoded in read]) if read else ()
            for (place, _), probabilities in zip(read, given, strict=True):
                answers[place] = self._prediction(paths[place], probabilities, top)
        except tf.errors.InvalidArgumentError:
            # One bad file fails the whole batch: find it by asking one at a time.
            for place, encoded in read:
                try:
                    (probabilities,) = self._from_bytes([encoded])
                    answers[place] = self._prediction(paths[place], probabilities, top)
                except tf.errors.InvalidArgumentError as error:
                    answers[place] = Prediction(paths[place], error=reason_of(error))
        for place in range(len(paths)):
            yield answers[place]

    def _from_bytes(self, encoded: list[bytes]) -> np.ndarray:
        if self.scores and self._opened.call is not None:
            outputs = self._opened.call("serving_default", encoded)
            return np.column_stack([outputs["probabilities"], outputs["novelty"]])
        answer = self._opened.from_bytes
        assert answer is not None  # noqa: S101 -- for the type checker: a SavedModel has it
        return answer(encoded)

    def _answer(self, images: np.ndarray) -> np.ndarray:
        """What a file of another format than the SavedModel says, with the score of novelty behind it."""
        if self._opened.outputs is None:
            return self._opened.answer(images)
        outputs = self._opened.outputs(images)
        return np.column_stack([outputs["probabilities"], outputs["novelty"]])

    def _stream(
        self, paths: Iterator[str], top: int, make: Callable[[np.ndarray], Answers]
    ) -> Iterator[Prediction]:
        return stream(
            paths, self.about.decoding, make, lambda path, answer: self._prediction(path, answer, top)
        )

    def _engine(self, sample: np.ndarray, wanted: str) -> Engine:
        from transferkit.activations.cache import Cache
        from transferkit.activations.engines.choose_engine import choose_engine
        from transferkit.activations.engines.make_engine import Target
        from transferkit.files.cache_location import writable_cache_folder

        cache = Cache(writable_cache_folder())
        size = self.about.input_size
        chosen = choose_engine(
            WholeNetwork(self._opened, self.place, self.scores),
            size,
            sample,
            wanted,
            cache,
            target=Target(tuple(self._devices)),
        )
        self.engine = chosen.name
        return chosen

    def _prediction(self, path: str, answer: np.ndarray, top: int) -> Prediction:
        return make_prediction(path, answer, self.about, top, str(self.place))
