"""Temperature and abstention of a run, found on its validation images."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.errors import UserError
from transferkit.evaluation import (
    Abstention,
    Temperature,
    abstention_threshold,
    apply_temperature,
    fit_temperature,
)
from transferkit.recipe import Recipe
from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.transfer.network import Network

__all__ = ["Calibrated", "calibrate", "logits_of"]


@dataclass(frozen=True)
class Calibrated:
    """What was found; each part is None where it was not wanted.

    Attributes:
        temperature: what the logits are divided by, and what that did on the validation images.
        abstention: from which probability on an answer is given.
        shortfall: why no threshold gives the wanted precision, else None.
        precision: what was wanted of the answers.
    """

    temperature: Temperature | None = None
    abstention: Abstention | None = None
    shortfall: str | None = None
    precision: float | None = None

    def to_dict(self) -> NamedValues:
        """Ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, read: NamedValues | None) -> Calibrated:
        """What :meth:`to_dict` gave, or nothing."""
        read = read or {}
        temperature, abstention = read.get("temperature"), read.get("abstention")
        return cls(
            Temperature(**temperature) if temperature else None,
            Abstention(**abstention) if abstention else None,
            read.get("shortfall"),
            read.get("precision"),
        )

    def without_shortfall(self) -> Calibrated:
        """The same, for who has been told already."""
        return replace(self, shortfall=None)

    def describe(self) -> list[str]:
        """A line for each part."""
        lines = []
        if self.temperature is not None:
            one = self.temperature
            lines.append(
                f"temperature {one.temperature:.3f} on {one.samples} validation images: log loss from "
                f"{one.log_loss_before:.3f} to {one.log_loss_after:.3f}, calibration error from "
                f"{one.calibration_error_before:.3f} to {one.calibration_error_after:.3f}"
            )
        if self.abstention is not None:
            share = self.abstention
            lines.append(
                f"answers at probability {share.threshold:.3f} or more: {share.precision:.1%} right, "
                f"{share.coverage:.1%} of {share.samples} validation images answered"
            )
        return lines


def logits_of(network: Network, batches: Iterable[Any]) -> np.ndarray:
    """What the network says of images, float32 ``[N, C]``, before any temperature.

    Args:
        network: trained.
        batches: of the images, each once.
    """
    import tensorflow as tf  # only here: a finished run's facts are read without it

    from transferkit.activations.division import real_rows

    # A partial is an object of its own: TensorFlow takes the same method of many networks for one, and warns.
    run = tf.function(functools.partial(network.logits), autograph=False)
    return np.concatenate([real_rows(features, run(features).numpy()) for features, _ in batches])


def calibrate(network: Network, recipe: Recipe, logits: np.ndarray, labels: np.ndarray) -> Calibrated:
    """Fits what the recipe asks for, and sets the network's temperature.

    Args:
        network: trained; its temperature is 1 so far.
        recipe: ``evaluation.calibrate``, ``evaluation.precision`` and ``export.temperature``.
        logits: of the validation images, in the order of ``labels`` (:func:`logits_of`).
        labels: int64 ``[N]``; or 0/1 ``[N, C]``, where thresholds of labels stand for abstention (see
            :func:`~transferkit.runs.calibration.settle_thresholds.settle_thresholds`).
    """
    section = recipe.evaluation
    temperature = fit_temperature(logits, labels) if section.calibrate else None
    if temperature is not None and recipe.export.temperature:
        network.temperature = temperature.temperature
    abstention, shortfall = None, None
    if section.precision and labels.ndim == 1:
        probabilities = apply_temperature(logits, network.temperature)
        try:
            abstention = abstention_threshold(probabilities, labels, section.precision)
        except UserError as error:
            # The training is done and is worth keeping: the run says it at its end.
            shortfall = str(error).replace("abstention precision", "evaluation.precision", 1)
    return Calibrated(temperature, abstention, shortfall, section.precision)
