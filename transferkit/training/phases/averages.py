"""Running averages of the weights, where a phase evaluates and keeps those."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from transferkit.optimizers import batches_seen
from transferkit.recipe import Phase
from transferkit.transfer.network import Network

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = ["averaged", "steps_done"]


def steps_done(optimizer: keras.Optimizer) -> int:
    """Batches that an optimizer has learned from."""
    return int(batches_seen(optimizer).numpy())


@contextmanager
def averaged(phase: Phase, optimizer: keras.Optimizer, network: Network) -> Iterator[None]:
    """With ``ema``, the running averages stand in the weights' place while they are evaluated and kept.

    Statistics of normalisation are running averages already: they are kept as they were evaluated.

    Args:
        phase: says whether there are averages.
        optimizer: has them.
        network: whose weights they are of.
    """
    if phase.ema is None or not steps_done(optimizer):
        yield
        return
    variables = network.trainable_variables
    own = [np.asarray(variable) for variable in variables]
    optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)
