"""What a phase of training reads, what it is trained with, and where it leaves what it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferkit.devices import ChosenDevices
from transferkit.optimizers import Slots
from transferkit.training.optimizer import Rate
from transferkit.training.progress import Progress
from transferkit.training.validation import Measure
from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = ["MOMENTS", "PhaseData", "PhaseSetup"]

# The moments of the optimizer that belong to the weights that the phase ends with.
MOMENTS = "moments.npz"


@dataclass(frozen=True)
class PhaseData:
    """What a phase reads.

    Attributes:
        train: ``epoch -> tf.data.Dataset`` of ``(features, labels)`` batches; the order of an epoch, counted
            from 0, is a function of the seed and the epoch alone.
        validation: ``() -> tf.data.Dataset`` of the validation images, each once, a batch for each replica.
        steps_per_epoch: batches in an epoch, the last partial one included.
        validation_images: how many there are, in batches of ``validation_batch``.
        validation_batch: see there.
        measure: the figures that need the predictions of the validation images, or None.
        predicted: as ``validation``, for one device, where that is for several.
    """

    train: Callable[[int], Any]
    validation: Callable[[], Any]
    steps_per_epoch: int
    validation_images: int = 0
    validation_batch: int = 1
    measure: Measure | None = None
    predicted: Callable[[], Any] | None = None


@dataclass(frozen=True)
class PhaseSetup:
    """What a phase is trained with, and where it leaves what it makes.

    Attributes:
        optimizer: a Keras optimizer, made for this phase.
        rate: its learning rate.
        folder: of the phase: checkpoints, event files, history, best weights.
        seed: of the Estimator.
        progress: shows the epochs.
        devices: what computes.
        slots: the optimizer's moments, where the next phase wants them: they are kept with the weights.
        summary_every: steps between two points of TensorBoard's training curves.
        tell: is given every new row of the history.
        tell_step: is given loss and rate of single steps, one in ``summary_every``.
    """

    optimizer: keras.Optimizer
    rate: Rate
    folder: Path
    seed: int
    progress: Progress
    devices: ChosenDevices
    slots: Slots | None = None
    summary_every: int = 100
    tell: Callable[[NamedValues], None] | None = None
    tell_step: Callable[[int, dict[str, float]], None] | None = None
