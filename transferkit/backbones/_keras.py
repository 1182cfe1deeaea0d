"""Keras as the backbones use it: names that do not depend on the process, seeds, and functional models."""

from __future__ import annotations

import collections
import contextlib
import functools
import random
from collections.abc import Callable, Iterator
from typing import Any

from transferkit.keras3 import keras
from transferkit.private.keras_names import global_value, nodes_of, run_through, set_global_value
from transferkit.type_names import Tensor

__all__ = ["apply", "keras", "outputs_of", "own_names", "seeded"]


@contextlib.contextmanager
def own_names() -> Iterator[None]:
    """Layers built inside are numbered from the start, whatever was built before in this process.

    InceptionV3's ``conv2d_93`` must be ``conv2d_93`` in every process: freezing rules, cache keys and
    checkpoints name layers.
    """
    before = global_value("object_name_uids")
    set_global_value("object_name_uids", collections.defaultdict(int))
    try:
        yield
    finally:
        set_global_value("object_name_uids", before if before is not None else collections.defaultdict(int))


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initialisers made inside draw from ``seed``; Python's own generator is left as it was.

    An initialiser without a seed takes one from the ``random`` module when it is made.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def outputs_of(model: keras.Model) -> dict[str, Any]:
    """The output tensor of each operation in the graph of this very model.

    ``layer.output`` is that of the layer's first call anywhere, and a layer may serve several models.
    """
    return {node.operation.name: node.outputs[0] for node in nodes_of(model)}


def apply(model: keras.Model, x: Tensor, call: Callable[..., Any]) -> Tensor:
    """Applies a functional model to a tensor, each of its operations through ``call``.

    Args:
        model: with one input and one output.
        x: the tensor in its input's place; a symbolic one joins the graph it comes from.
        call: ``call(operation, *args, **kwargs)`` in the place of ``operation(*args, **kwargs)``.
    """
    inputs = [x] if isinstance(model.input, list) else x
    outputs = run_through(model, inputs, lambda operation: functools.partial(call, operation))
    return outputs[0] if isinstance(outputs, (list, tuple)) else outputs
