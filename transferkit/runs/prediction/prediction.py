"""The answer for one file: labels with probabilities, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transferkit.errors import UserError, fault
from transferkit.export.export_spec import About

__all__ = ["Prediction", "make_prediction"]


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


def make_prediction(path: str, answer: np.ndarray, about: About, top: int, place: str) -> Prediction:
    """What a model's numbers say of a file.

    Args:
        path: the file, as it was given.
        answer: float32 ``[C]`` probabilities, or ``[C + 1]`` with the score of novelty behind them.
        about: what the model says of itself.
        top: classes to name.
        place: of the export, for messages.

    Raises:
        UserError: they are no numbers.
    """
    labels = about.classes
    probabilities, further = answer[: len(labels)], answer[len(labels) :]
    novelty = float(further[0]) if len(further) else None
    if not np.isfinite(probabilities).all():
        hint = "its answers are no numbers (NaN): its weights are damaged, or training diverged"
        raise UserError(fault(place, hint=hint))
    order = np.argsort(-probabilities, kind="stable")[:top]
    named = tuple((labels[index], float(probabilities[index])) for index in order)
    present = None
    if about.multi_label:
        marked = probabilities >= np.asarray(about.thresholds, np.float32)
        present = tuple(label for label, on in zip(labels, marked, strict=True) if on)
    confident = about.threshold is None or bool(probabilities.max() >= np.float32(about.threshold))
    return Prediction(path, named, confident=confident, present=present, novelty=novelty)
