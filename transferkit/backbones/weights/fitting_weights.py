"""Whether a weights file fits a model, and if not, where they differ."""

from __future__ import annotations

import difflib
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from transferkit.errors import UserError, fault

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = ["difference", "shown"]

# Lines of a difference that one message holds.
_MOST = 24

Entry = tuple[str, tuple[int, ...]]


def difference(model: keras.Model, path: Path) -> str | None:
    """Lines that tell a file's weights and the model's apart; None where they agree.

    A file in the older format (weights grouped by layer, in the layers' order) is compared in order. One
    in the ``.weights.h5`` format is compared by the names under which the model would write its own.

    Raises:
        UserError: the file is no readable HDF5 file, or holds no weights.
    """
    held, ordered = _held(path)
    wanted = _wanted(model)
    if ordered:
        return None if [s for _, s in held] == [s for _, s in wanted] else shown(held, wanted)
    if sorted(s for _, s in held) == sorted(s for _, s in wanted):
        return None
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "own.weights.h5"
        model.save_weights(own)
        return shown(held, _held(own)[0])


def shown(held: Sequence[Entry], wanted: Sequence[Entry]) -> str:
    """Both lists as a difference: ``-`` stands in the file alone, ``+`` is missing from it."""
    changes = difflib.ndiff([_line(one) for one in held], [_line(one) for one in wanted])
    lines = [line for line in changes if line[0] in "-+"]
    if len(lines) > _MOST:
        # Of two networks with nothing in common, the first of each list say which they are.
        gone = [line for line in lines if line[0] == "-"]
        new = [line for line in lines if line[0] == "+"]
        few = [*gone[: _MOST - min(len(new), _MOST // 2)], *new[: _MOST - min(len(gone), _MOST // 2)]]
        lines = [*few, f"and {len(lines) - len(few)} lines more"]
    counts = f"the file (-) holds {len(held)} tensors, the backbone (+) {len(wanted)}"
    return "\n  ".join([f"{counts}:", *lines])


def _line(entry: Entry) -> str:
    name, shape = entry
    return f"{name} {list(shape)}"


def _held(path: Path) -> tuple[list[Entry], bool]:
    """What the file holds, and whether its order is that of the layers."""
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            if "layer_names" in root.attrs:
                entries, ordered = list(_by_layer(root)), True
            else:
                entries, ordered = list(_by_name(root)), False
    except (OSError, KeyError, RuntimeError) as error:
        raise UserError(
            fault(
                "backbone.weights",
                str(path),
                "a whole HDF5 file",
                f"it cannot be read, perhaps cut short ({path.stat().st_size} bytes): {_first(error)}",
            )
        ) from error
    if not entries:
        raise UserError(fault("backbone.weights", str(path), "a file that holds weights", "it holds none"))
    return entries, ordered


def _by_layer(root: Any) -> Iterator[Entry]:
    for layer in root.attrs["layer_names"]:
        group = root[_text(layer)]
        for name in group.attrs["weight_names"]:
            yield _text(name).removesuffix(":0"), tuple(group[_text(name)].shape)


def _by_name(root: Any) -> Iterator[Entry]:
    found: list[Entry] = []

    def visit(name: str, item: Any) -> None:
        # The optimizer's own numbers are no weights of the model.
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer/"):
            found.append((name, tuple(item.shape)))

    root.visititems(visit)
    yield from found


def _wanted(model: keras.Model) -> list[Entry]:
    """The model's weights in the order of the older format: by layer, those that train first."""
    layers = ((*layer.trainable_weights, *layer.non_trainable_weights) for layer in model.layers)
    return [(one.path, tuple(one.shape)) for one in itertools.chain.from_iterable(layers)]


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
