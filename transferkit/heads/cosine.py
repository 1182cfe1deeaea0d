"""The angle to each class's direction: steady where classes have few images (Gidaris and Komodakis 2018,
arXiv:1804.09458)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from transferkit.heads._base import Head

__all__ = ["Cosine"]


class Cosine(Head):
    """``logits = scale * normalise(features) @ normalise(W)``, the scale learned along with ``W``."""

    scale: float = Field(16.0, gt=0, le=1000, description="initial value of the scale, which is learned")
    dropout: float = Field(
        0.0, ge=0, lt=1, description="share of the features that a training step leaves out"
    )

    def build(self, width: int, classes: int, seed: int) -> Any:
        from transferkit.heads._layers import Cosines, stack

        return stack(
            width, self.dropout, [], Cosines(classes, self.scale, seed, dtype="float32", name="logits"), seed
        )
