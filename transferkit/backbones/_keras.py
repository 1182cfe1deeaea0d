"""The one place where the backbones import Keras, and the little of it that is not public API.

Everything below ``keras.src`` that transferkit touches stands here, so that a new Keras is checked in one
file.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import random
from collections.abc import Callable, Iterator
from typing import Any

# First of all: what it brings was set up before it was imported.
from transferkit.keras3 import keras  # isort: skip
from keras.src.backend.common import global_state  # isort: skip

__all__ = ["apply", "keras", "outputs_of", "own_names", "seeded"]


@contextlib.contextmanager
def own_names() -> Iterator[None]:
    """Layers built inside are numbered from the start, whatever was built before in this process.

    InceptionV3's ``conv2d_93`` must be ``conv2d_93`` in every process: freezing rules, cache keys and
    checkpoints name layers.
    """
    before = global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", collections.defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute(
            "object_name_uids", before if before is not None else collections.defaultdict(int)
        )


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


def outputs_of(model: Any) -> dict[str, Any]:
    """The output tensor of each operation in the graph of this very model.

    ``layer.output`` is that of the layer's first call anywhere, and a layer may serve several models.
    """
    nodes = (node for level in model._nodes_by_depth.values() for node in level)
    return {node.operation.name: node.outputs[0] for node in nodes}


def apply(model: Any, x: Any, call: Callable[..., Any]) -> Any:
    """Applies a functional model to a tensor, each of its operations through ``call``.

    Args:
        model: with one input and one output.
        x: the tensor in its input's place; a symbolic one joins the graph it comes from.
        call: ``call(operation, *args, **kwargs)`` in the place of ``operation(*args, **kwargs)``.
    """
    inputs = [x] if isinstance(model.input, list) else x
    outputs = model._run_through_graph(
        inputs, operation_fn=lambda operation: functools.partial(call, operation)
    )
    return outputs[0] if isinstance(outputs, (list, tuple)) else outputs
