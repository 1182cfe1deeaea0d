"""Dense layers with an activation between: where classes are no half-spaces of the features."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from transferkit.heads._base import Head

__all__ = ["Mlp"]


class Mlp(Head):
    """Hidden dense layers of the given sizes, dropout before each and before the logits."""

    sizes: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = Field(
        (256,), min_length=1, description="units of the hidden layers, from the features up"
    )
    activation: Literal["relu", "gelu", "silu", "tanh", "elu"] = Field(
        "relu", description="activation of the hidden layers"
    )
    dropout: float = Field(
        0.2, ge=0, lt=1, description="share that a training step leaves out before each layer"
    )
    l2: float = Field(0.0, ge=0, description="penalty on the squared weights, added to the loss")

    def build(self, width: int, classes: int, seed: int) -> Any:
        from transferkit.heads._layers import dense, stack

        hidden = [
            dense(units, seed + 101 * number, self.l2, self.activation, f"hidden_{number}")
            for number, units in enumerate(self.sizes, start=1)
        ]
        return stack(width, self.dropout, hidden, dense(classes, seed, self.l2), seed)
