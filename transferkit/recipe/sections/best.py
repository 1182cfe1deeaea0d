"""What is chosen on folds of the training images before the run."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from transferkit.durations import seconds_of
from transferkit.recipe._model import Section

__all__ = ["BestSection"]


class BestSection(Section):
    """What is chosen on folds of the training images before the run, each step only where it pays."""

    budget: float = Field(
        1200.0,
        gt=0,
        description='seconds that choosing may take, or text like "20m"; the time of the run itself is not '
        "included",
    )
    backbones: tuple[str, ...] = Field(
        (), description="backbones to choose from; by default all whose weights are on this machine"
    )
    steps: tuple[Literal["backbones", "mirror", "crops", "views", "join", "finetune", "average"], ...] = (
        Field(
            ("backbones", "mirror", "crops", "views", "join", "finetune", "average"),
            description="what is tried after the head: other backbones, features averaged with those of the "
            "mirror image, or of crops, augmented copies of the training images, a second backbone's "
            "features appended, fine-tuning the last stages, and the average of that and the best head",
        )
    )

    @field_validator("budget", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> Any:
        return seconds_of(value)
