"""What leads to what in a functional Keras model, and where it can be cut in two.

Everything is read from ``model.get_config()``, the documented serialised form, and not from Keras's
internal nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transferkit.type_names import NamedValues

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = ["Step", "steps"]


@dataclass(frozen=True)
class Step:
    """One operation of the model, in an order in which every step comes after those it reads.

    Attributes:
        name: of the layer or operation.
        inputs: the steps it reads, by position.
        cuttable: everything from images to features passes through its single output tensor.
    """

    name: str
    inputs: tuple[int, ...]
    cuttable: bool


def steps(model: keras.Model) -> list[Step]:
    """The steps of a functional model with one input and one output, inputs first.

    A step is cuttable when no tensor made before it is read after it: as each step lies on a way from
    the input to the output, all of them then lead through this one.
    """
    reads: list[tuple[str, tuple[tuple[str, int, int], ...]]] = []
    position: dict[tuple[str, int], int] = {}
    config = model.get_config()
    for operation, node, tensors in _in_order(config["layers"]):
        position[operation, node] = len(reads)
        reads.append((operation, tensors))

    inputs = [tuple(sorted({position[name, node] for name, node, _ in tensors})) for _, tensors in reads]
    # A second output of one operation can bypass a cut at its first.
    several = {position[name, node] for _, tensors in reads for name, node, index in tensors if index > 0}
    last_read = list(range(len(reads)))
    for reader, sources in enumerate(inputs):
        for source in sources:
            last_read[source] = max(last_read[source], reader)

    out = []
    reach = 0
    for here, (name, _) in enumerate(reads):
        cuttable = reach <= here and here not in several
        reach = max(reach, last_read[here])
        out.append(Step(name, inputs[here], cuttable))
    return out


def _in_order(layers: list[NamedValues]) -> Iterator[tuple[str, int, tuple[tuple[str, int, int], ...]]]:
    """Each call of each operation, after those whose outputs it reads."""
    waiting = []
    for layer in layers:
        nodes = layer["inbound_nodes"] or [None]
        for index, node in enumerate(nodes):
            waiting.append((layer["name"], index, tuple(_tensors(node))))
    done: set[tuple[str, int]] = set()
    while waiting:
        left = []
        for name, index, tensors in waiting:
            if all((source, node) in done for source, node, _ in tensors):
                done.add((name, index))
                yield name, index, tensors
            else:
                left.append((name, index, tensors))
        if len(left) == len(waiting):
            raise ValueError("the model's graph has a cycle or reads a tensor from outside")
        waiting = left


def _tensors(part: Any) -> Iterator[tuple[str, int, int]]:
    """The tensors a serialised call reads: (operation, which of its calls, which of its outputs)."""
    if isinstance(part, dict):
        if part.get("class_name") == "__keras_tensor__":
            name, node, index = part["config"]["keras_history"]
            yield str(name), int(node), int(index)
        else:
            for value in part.values():
                yield from _tensors(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            yield from _tensors(value)
