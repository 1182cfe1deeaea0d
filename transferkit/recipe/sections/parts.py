"""The head and the augmentation: each a part of a registry, with its own arguments."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from transferkit.recipe._model import Named

__all__ = ["AugmentationSection", "HeadSection"]


class HeadSection(Named):
    """What answers on the backbone's features. Short form: its kind. Other keys: that head's arguments."""

    registry: ClassVar[str] = "heads"

    kind: str = Field("linear", min_length=1)


class AugmentationSection(Named):
    """Random changes of the training images, off by default: one key for each, ``true`` or its arguments."""

    tag: ClassVar[str] = ""
    registry: ClassVar[str] = "augmentation"
