"""How independent the evaluated images are: are they copies of training images, and what did they choose?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from transferkit.data.splits.ledger import Row
from transferkit.evaluation import Evaluation
from transferkit.report.rendering import listed
from transferkit.runs.run_result import RunResult
from transferkit.training.images import Images
from transferkit.type_names import NamedValues

__all__ = ["Independence", "copies_in", "independence", "leak_line", "used_in"]


@dataclass(frozen=True)
class Independence:
    """What the figures of a run owe to its training.

    Attributes:
        copies: evaluated images that the training saw too, byte by byte: it trained on them or, where test
            images are evaluated, chose the epoch by them.
        images: evaluated images.
        accuracy_of_others: the accuracy on those that are not; None where there are none.
        chose: what was chosen on the validation images: ``the epoch`` and so on.
    """

    copies: int = 0
    images: int = 0
    accuracy_of_others: float | None = None
    chose: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: NamedValues | None) -> Independence:
        """From ``metrics.json``; runs that do not say so are taken to be independent."""
        return cls(**{**values, "chose": tuple(values.get("chose", ()))}) if values else cls()

    def to_dict(self) -> NamedValues:
        """Ready for JSON."""
        return {**asdict(self), "chose": list(self.chose)}

    def leak(self, split: str) -> str | None:
        """A line where evaluated images are copies of training images."""
        return leak_line(self.copies, self.images, split, self.accuracy_of_others)

    def beside(self, split: str) -> str:
        """What stands beside a figure of a split: `` (the validation images also chose the epoch)``."""
        if split != "val" or not self.chose:
            return ""
        return f" (the validation images also chose {listed(self.chose)})"


def leak_line(copies: int, images: int, split: str, accuracy_of_others: float | None) -> str | None:
    """What copies of training images among the evaluated ones leave of the figures; None without any.

    Args:
        copies: evaluated images that are copies.
        images: evaluated images.
        split: that they are of.
        accuracy_of_others: 0 to 1; None where all are copies.
    """
    if not copies:
        return None
    kind = {"val": "validation ", "all": ""}.get(split, f"{split} ")
    seen = "training" if split == "val" else "training or validation"
    line = f"LEAK: {copies} of {images} {kind}images are copies of {seen} images"
    if accuracy_of_others is None:
        return f"{line}: the figures say nothing about new images"
    return f"{line}; accuracy {accuracy_of_others:.3f} on the others"


def copies_in(images: Images, rows: np.ndarray) -> np.ndarray:
    """Which of these images the training saw as well, by content: bool ``[M]``.

    Args:
        images: all images of the run.
        rows: int ``[M]``, indices of images that are evaluated, all of one split.
    """
    used = used_in(images.rows, images.rows[rows[0]].split if len(rows) else "val")
    return np.array([images.rows[i].sha256 in used for i in rows], bool)


def used_in(rows: Sequence[Row], split: str) -> set[str]:
    """Contents that the training saw, other than the split itself: validation images chose the epoch."""
    seen = ("train",) if split == "val" else ("train", "val")
    return {row.sha256 for row in rows if row.split in seen}


def independence(trained: RunResult, evaluation: Evaluation, folder: Path) -> Independence:
    """Of the evaluation that ends a run.

    Args:
        trained: what was done.
        evaluation: of the images of ``held_out``, in their order.
        folder: the run's folder, which tells whether the run is the best of several trials.
    """
    images = trained.images
    copied = copies_in(images, images.of_split(images.held_out))
    others = evaluation.correct[~copied]
    accuracy = float(others.mean()) if len(others) else None
    return Independence(int(copied.sum()), len(copied), accuracy, tuple(_chosen(trained, folder)))


def _chosen(trained: RunResult, folder: Path) -> list[str]:
    found = []
    gradient = {one.phase for one in trained.kept}
    phases = [phase for phase, _ in trained.plans if phase.name in gradient]
    if any(phase.keep == "best" or phase.early_stopping is not None for phase in phases):
        found.append("the epoch")
    if trained.thresholds and trained.recipe.head.options.get("thresholds", "auto") == "auto":
        found.append("the thresholds")
    if trained.calibrated.temperature is not None:
        found.append("the temperature")
    if trained.calibrated.abstention is not None:
        found.append("the threshold of abstention")
    if (folder / "sweep.toml").exists():
        found.append("the trial")
    return found
