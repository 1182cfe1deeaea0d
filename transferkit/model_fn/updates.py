"""One optimizer step in which every variable has its own share of the learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

__all__ = ["apply_gradients"]


def apply_gradients(
    optimizer: Any, gradients: Sequence[tf.Tensor], variables: Sequence[Any], shares: Sequence[float]
) -> Any:
    """Applies an optimizer, and takes back of each variable's step what exceeds its share.

    ``new = old + share * (what the optimizer made of it - old)``: the step is scaled and not the gradient, of
    whose scale Adam and its kin take no notice.

    Args:
        optimizer: a Keras optimizer.
        gradients: one a variable.
        variables: Keras variables.
        shares: of the learning rate, 1 for all of it.

    Returns:
        What the training step must run.
    """
    scaled = [
        (variable, share, tf.identity(variable.value))
        for variable, share in zip(variables, shares, strict=True)
        if share != 1
    ]
    done = optimizer.apply_gradients(zip(gradients, variables, strict=True))
    for variable, share, before in scaled:
        variable.assign(before + share * (variable.value - before))
    return done
