"""Augmentation: each module is one way to change training images at random."""

from __future__ import annotations

from transferkit.augmentation._base import Augmentation
from transferkit.augmentation._pipeline import Pipeline, make_augmentation, view_seeds

Base = Augmentation

__all__ = ["Augmentation", "Base", "Pipeline", "make_augmentation", "view_seeds"]
