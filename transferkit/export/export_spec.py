"""What is exported: a network as one function from images to probabilities, with all that its answers mean.

No Keras and no TensorFlow is imported here: what reads an export needs neither.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from transferkit._version import __version__
from transferkit.data.pixels.decoding import Decoding

__all__ = ["About", "ExportSpec", "labels_text", "read_labels"]


@dataclass(frozen=True)
class About:
    """What an artefact says of itself, kept inside it (or, for a SavedModel, in its assets).

    Attributes:
        classes: names in the order of the probabilities.
        input_size: height and width in pixels of the images that the network takes.
        resize: ``"stretch"``, ``"crop"`` or ``"pad"``: how training brought photos to that size.
        background: RGB behind transparent pixels; None where training ignored transparency.
        exif: whether training applied the EXIF orientation.
        depth: how training scaled samples of more than 8 bits.
        backbone: name of its card, or what the user wrote.
        preprocessing: one sentence for people: what happens to the pixels, all inside the artefact.
        multi_label: an image may have several labels, or none.
        thresholds: multi-label: the probability from which each label counts.
        temperature: what the logits are divided by inside, 1 where none was fitted.
        threshold: the least probability of an answer worth giving; None where none was wanted.
        precision: what was wanted of the answers at that threshold.
        false_alarms: the share of photos of the classes that ``unknown`` was meant to be wrong about; None
            where the model does not say what is unlike its training photos.
        transferkit: the version that wrote it.
    """

    classes: tuple[str, ...]
    input_size: tuple[int, int]
    resize: str = "stretch"
    background: tuple[int, int, int] | None = (255, 255, 255)
    exif: bool = True
    depth: str | int = "auto"
    backbone: str = ""
    preprocessing: str = ""
    multi_label: bool = False
    thresholds: tuple[float, ...] = ()
    temperature: float = 1.0
    threshold: float | None = None
    precision: float | None = None
    false_alarms: float | None = None
    transferkit: str = __version__

    @property
    def decoding(self) -> Decoding:
        """How training made pixels of encoded images."""
        return Decoding(self.input_size, self.resize, self.background, self.exif, self.depth)

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> About:
        """Reads what :meth:`to_json` wrote; keys of later versions are passed over.

        Raises:
            ValueError: it is no such text.
        """
        read = json.loads(text)
        if not isinstance(read, dict) or not {"classes", "input_size"} <= set(read):
            raise ValueError("expected a JSON object with classes and input_size")
        known = {key: value for key, value in read.items() if key in cls.__dataclass_fields__}
        for key in ("classes", "input_size", "thresholds", "background"):
            if known.get(key) is not None:
                known[key] = tuple(known[key])
        return cls(**known)


@dataclass(frozen=True)
class ExportSpec:
    """A network to export.

    Attributes:
        probabilities: a ``tf.function`` from uint8 ``[N, h, w, 3]`` to float32 ``[N, classes]``, any ``N``.
        variables: every variable that it reads, as TensorFlow or Keras variables.
        about: what its answers mean.
        keras_model: builds the same as one functional Keras model of Keras's own layers; None where the
            backbone's inside is not visible.
        with_novelty: as ``probabilities``, to these and the scores float32 ``[N]`` of how unlike the training
            photos each image is, above 1 for ``unknown``; None where that was not wanted.
        every_format: all formats that can hold it answer ``novelty``; else those alone whose outputs are
            asked for by name: readers of the others expect one output.
        photos: gives up to so many training photos, each uint8 ``[h, w, 3]``, to measure ranges on.
    """

    probabilities: Callable[..., Any]
    variables: Sequence[Any]
    about: About
    keras_model: Callable[[], Any] | None = None
    photos: Callable[[int], Iterator[np.ndarray]] | None = None
    with_novelty: Callable[..., Any] | None = None
    every_format: bool = False


def labels_text(classes: Sequence[str]) -> str:
    """The classes, a name a line."""
    return "".join(f"{name}\n" for name in classes)


def read_labels(text: str | bytes) -> tuple[str, ...]:
    """What :func:`labels_text` wrote. A name may hold what ``splitlines`` takes for the end of a line."""
    text = text.decode("utf-8") if isinstance(text, bytes) else text
    return tuple(text.removesuffix("\n").split("\n"))
