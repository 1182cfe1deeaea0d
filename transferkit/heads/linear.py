"""One dense layer: the head of a linear probe."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from transferkit.heads._base import Head

__all__ = ["Linear"]


class Linear(Head):
    """``logits = dropout(features) @ W + b``."""

    dropout: float = Field(
        0.2, ge=0, lt=1, description="share of the features that a training step leaves out"
    )
    l2: float = Field(0.0, ge=0, description="penalty on the squared weights, added to the loss")

    def build(self, width: int, classes: int, seed: int) -> Any:
        from transferkit.heads._layers import dense, stack

        return stack(width, self.dropout, [], dense(classes, seed, self.l2), seed)
