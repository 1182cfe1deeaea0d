"""Augmentation: each module is one way to change training images at random."""

from __future__ import annotations

from transferkit.augmentation._base import Augmentation

Base = Augmentation

__all__ = ["Augmentation", "Base"]
