"""Predictions from an export of any format; a SavedModel takes the fastest engine, without Keras."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.devices import choose_devices, named_devices
from transferkit.errors import UserError, did_you_mean, fault
from transferkit.export.export_spec import About
from transferkit.export.formats import check_installed, format_of, load_format
from transferkit.export.versions import check_artefact, versions
from transferkit.recipe import Recipe
from transferkit.runs.remote.local_copy import local_copy
from transferkit.tensorflow_startup import start_tensorflow

if TYPE_CHECKING:
    from transferkit.activations.prefix_engine import Engine
    from transferkit.data.pixels.decoding import Decoding
    from transferkit.export.formats._base import LoadedArtefact

__all__ = ["MANY", "Exported", "Prediction", "find_export", "find_model"]

MANY = 96  # files from which making an engine, a second or two, is won back
_OF_A_VERSION = ("saved_model.pb", "variables", "assets")
_BATCH = 16
_AT_ONCE = 32  # files that an engine answers at once


@dataclass(frozen=True)
class Prediction:
    """The answer for one file.

    Attributes:
        path: the file, as it was given.
        top: ``(label, probability)`` pairs, the most probable first; empty where the file failed.
        error: why the file could not be read as an image, else None.
        confident: whether the model is sure enough to answer; True where no precision was ever asked of it.
        novelty: how unlike the training photos the image is, above 1 for none of the classes; None where the
            model does not tell (``evaluation.false_alarms``).
        present: the labels that the image has, for a model of several labels; else None.
    """

    path: str
    top: tuple[tuple[str, float], ...] = ()
    error: str | None = None
    confident: bool = True
    present: tuple[str, ...] | None = None
    novelty: float | None = None

    @property
    def unknown(self) -> bool:
        """Whether the image is like nothing that the model was trained on, as far as the model tells."""
        return self.novelty is not None and self.novelty > 1

    @property
    def label(self) -> str | None:
        """The most probable class; None where the file failed or the model abstains."""
        return self.top[0][0] if self.top and self.confident else None

    @property
    def abstained(self) -> bool:
        """The file was read, but the model is not sure enough to answer."""
        return self.error is None and not self.confident


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
            raise UserError(fault("predict", str(place), "a run, an export, or a file of one"))
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
            raise UserError(fault("predict", str(self.place), "a SavedModel, which takes images of any size"))
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
        result: np.ndarray = _columns(model.answer(tf.constant(images)), self.scores).numpy()
        return result

    def make_engine(self, wanted: str) -> Callable[[np.ndarray], np.ndarray]:
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
                read.append((place, _bytes_of(path, self.about.decoding)))
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
        self, paths: Iterator[str], top: int, make: Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]]
    ) -> Iterator[Prediction]:
        """Threads read and decode ahead of the engine."""
        from transferkit.data.reader import read_images

        # What was read ahead, in order: the file, and why it was not even opened.
        order: deque[tuple[str, str | None]] = deque()

        def items() -> Iterator[tuple[None, str]]:
            for path in paths:
                reason = refused(path)
                order.append((path, reason))
                if reason is None:
                    yield None, path

        made: Callable[[np.ndarray], np.ndarray] | None = None
        asked = 0
        for batch in read_images(items(), self.about.decoding, batch_size=_AT_ONCE):
            if made is None and len(batch.indices):
                made = make(batch.images)
            answers = dict(zip(batch.indices.tolist(), made(batch.images) if made else (), strict=True))
            reasons = {one.index: one.reason for one in batch.unreadable}
            for index in range(asked, asked + len(answers) + len(reasons)):
                yield from _turned_away(order)
                path, _ = order.popleft()
                if index in reasons:
                    yield Prediction(path, error=reasons[index])
                else:
                    yield self._prediction(path, answers[index], top)
            asked += len(answers) + len(reasons)
        yield from _turned_away(order)

    def _engine(self, sample: np.ndarray, wanted: str) -> Engine:
        from transferkit.activations.cache import Cache
        from transferkit.activations.choose_engine import choose_engine
        from transferkit.files.cache_location import writable_cache_folder

        cache = Cache(writable_cache_folder())
        size = self.about.input_size
        chosen = choose_engine(_Whole(self), size, sample, wanted, cache, devices=self._devices)
        self.engine = chosen.name
        return chosen

    def _prediction(self, path: str, answer: np.ndarray, top: int) -> Prediction:
        about = self.about
        # The score of novelty stands behind the probabilities, where there is one.
        probabilities, further = answer[: len(self.labels)], answer[len(self.labels) :]
        novelty = float(further[0]) if len(further) else None
        if not np.isfinite(probabilities).all():
            hint = "its answers are no numbers (NaN): its weights are damaged, or training diverged"
            raise UserError(fault(str(self.place), hint=hint))
        order = np.argsort(-probabilities, kind="stable")[:top]
        named = tuple((self.labels[index], float(probabilities[index])) for index in order)
        present = None
        if about.multi_label:
            marked = probabilities >= np.asarray(about.thresholds, np.float32)
            present = tuple(label for label, on in zip(self.labels, marked, strict=True) if on)
        confident = about.threshold is None or bool(probabilities.max() >= np.float32(about.threshold))
        return Prediction(path, named, confident=confident, present=present, novelty=novelty)


def _turned_away(order: deque[tuple[str, str | None]]) -> Iterator[Prediction]:
    """The files at the head of the queue that were not opened."""
    while order and order[0][1] is not None:
        yield Prediction(order[0][0], error=order.popleft()[1])


class _Whole:
    """The network of an export as engines take it: all of it is frozen, from pixels to probabilities."""

    def __init__(self, exported: Exported) -> None:
        import hashlib

        model: Any = exported._opened.model
        self.at = "probabilities"
        scored = exported.scores
        self.shape: tuple[int, ...] = (len(exported.labels) + scored,)
        self.prefix = lambda images: _columns(model.answer(images), scored)
        digest = hashlib.sha256()
        # TensorFlow's own fingerprint is of the graph; the index of the variables has a sum of each.
        for name in ("fingerprint.pb", "saved_model.pb", "variables/variables.index"):
            file = exported.place / name
            digest.update(file.read_bytes() if file.is_file() else b"")
        self.fingerprint = digest.hexdigest()


def _columns(outputs: Any, scored: bool) -> Any:
    """Probabilities ``[N, C]``, with the score of novelty behind them where there is one."""
    import tensorflow as tf

    if not scored:
        return outputs["probabilities"]
    return tf.concat([outputs["probabilities"], outputs["novelty"][:, tf.newaxis]], axis=1)


def refused(path: str | os.PathLike[str]) -> str | None:
    """Why a file is not to be decoded, or None: a pipe would be waited for, a giant would fill the memory."""
    from transferkit.data.check.header import read_header
    from transferkit.data.check.limits import Limits

    header = read_header(path, os.path.dirname(os.fspath(path)) or ".", Limits(follow_links=True))
    return header.refused if header.beyond else None


def _bytes_of(path: str, decoding: Decoding) -> bytes:
    """The bytes of a file, such that the graph reads them.

    Raises:
        ValueError: they are unavailable; says why.
    """
    from transferkit.data.pixels.transcode import readable_in_graph

    reason = refused(path)
    if reason is not None:
        raise ValueError(reason)
    try:
        encoded = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(error.strerror or type(error).__name__) from None
    return readable_in_graph(encoded, decoding)


def find_model(place: str | os.PathLike[str]) -> Path:
    """The file of an export, where one is named, else what :func:`find_export` finds.

    Raises:
        UserError: there is none.
    """
    here = local_copy(place, newest=True)
    return here if here.is_file() else find_export(here)


def find_export(place: str | os.PathLike[str]) -> Path:
    """The SavedModel's folder, from that folder itself, its parent of numbered versions, or a run.

    A version that was begun counts, so that an older one never stands in for one that was damaged.

    Raises:
        UserError: there is none.
    """
    place = Path(place)
    for folder in (place, place / "export"):
        if any((folder / name).exists() for name in _OF_A_VERSION):
            return folder
        for version in reversed(versions(folder)):
            if any((version / name).exists() for name in _OF_A_VERSION):
                return version
    raise UserError(fault("predict", str(place), "a run or an export", _no_export(place)))


def _no_export(place: Path) -> str:
    """Why there is nothing to load, and what lies beside it under a name like it."""
    if place.exists():
        return "it holds no saved_model.pb"
    beside = place.parent.iterdir() if place.parent.is_dir() else ()
    names = {str(one) for one in beside if one.is_dir() and not one.name.startswith(".")}
    near = did_you_mean(str(place), names)
    return f"there is no such file or folder{f'; {near}' if near else ''}"
