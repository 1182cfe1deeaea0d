"""A second network on frozen features, whose answers are averaged with those of the trained one."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from transferkit.recipe._model import Section
from transferkit.recipe.sections.backbone import BackboneSection
from transferkit.recipe.sections.parts import AugmentationSection, HeadSection

__all__ = ["AverageSection"]


class AverageSection(Section):
    """A second network on frozen features, whose logits are averaged with those of the trained one.

    It is fitted at once after the phases, and both are one model in every export.
    """

    backbone: BackboneSection | None = Field(
        None,
        description="of the second network, with its join and mirror; by default the recipe's; its images "
        "are of the first one's size",
    )
    head: HeadSection = Field(
        default_factory=lambda: HeadSection(kind="auto"), description='of the second network: "auto"'
    )
    scale: float = Field(
        1.0, gt=0, description="what the mean of the logits is multiplied by before it becomes probabilities"
    )
    augmentation: AugmentationSection = Field(
        default_factory=lambda: AugmentationSection(),
        description="of the images that the second network learns from",
    )
    views: int = Field(
        1, ge=1, le=1000, description="augmented views of each training image that it learns from"
    )

    @field_validator("head", mode="before")
    @classmethod
    def _is_auto(cls, value: Any) -> Any:
        return {"kind": "auto", **value} if isinstance(value, dict) else value
