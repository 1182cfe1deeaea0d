"""What every augmentation is: a seeded, random change of a batch of training images."""

from __future__ import annotations

from transferkit.vocabulary import Word

__all__ = ["Augmentation"]


class Augmentation(Word):
    """Base of all augmentations."""
