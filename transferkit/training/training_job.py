"""What is trained, and who is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transferkit.recipe import Recipe
from transferkit.training.cut_features import CutFeatures
from transferkit.training.images import Images
from transferkit.training.parts import Parts
from transferkit.training.progress import Progress
from transferkit.type_names import NamedValues

__all__ = ["Tell", "TrainingJob"]

Tell = Callable[[str, int, NamedValues], None]


@dataclass(frozen=True)
class TrainingJob:
    """All phases of a recipe, over images, with a backbone and a head.

    Attributes:
        recipe: the resolved recipe.
        images: what to train on.
        parts: backbone and head, with the weights that a run begins with.
        open_folder: given the images that could be decoded, and backbone and head, opens the run's folder;
            called once nothing that the user gave can be refused any more.
        progress: shows the stages.
        tell: is given the phase's name, the run's step and the row of every new evaluation.
        tell_step: is given the run's step, and loss and rate of that step, one in ``tracking.every``.
        given: the features of the images, where they are known: no image is passed. A head that is trained
            by gradient steps then goes on from the weights and the scale that the parts have.
    """

    recipe: Recipe
    images: Images
    parts: Parts
    open_folder: Callable[[Images, Parts], Path]
    progress: Progress
    tell: Tell | None = None
    tell_step: Callable[[int, dict[str, float]], None] | None = None
    given: CutFeatures | None = None
