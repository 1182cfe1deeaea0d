"""The one place where the backbones import Keras, and the little of it that is not public API.

Everything below ``keras.src`` that transferkit touches stands here, so that a new Keras is checked in one
file.
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
from keras.src.backend.common import global_state

__all__ = ["keras", "outputs_of", "own_names", "seeded"]


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
