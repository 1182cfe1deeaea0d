"""Weights from a TensorFlow checkpoint.

Two ways of naming are understood: by the variables' own paths (``Conv1/kernel``), and by the objects that
hold them (``model/_operations/1/_kernel/.ATTRIBUTES/VARIABLE_VALUE``), as ``tf.train.Checkpoint`` and
``Model.save_weights`` of earlier Keras wrote them. Positions in the latter shift with any layer that has no
weights, so holders are matched in order, and variables within a holder by name.
"""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferkit.backbones.weights.fitting_weights import Entry, shown
from transferkit.errors import UserError, fault
from transferkit.files.plain_path import plain_path

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = ["checkpoint_files", "find_checkpoint", "load_checkpoint"]

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_FOREIGN = re.compile(
    r"(^|/)(optimizer|optimizers|save_counter|_CHECKPOINTABLE|global_step|\.OPTIMIZER_SLOT)"
)


def find_checkpoint(path: Path) -> Path | None:
    """The checkpoint that a path means, as the path before ``.index``; None where there is none.

    Args:
        path: a folder, of which the latest one counts, or the only one where no file ``checkpoint`` names
            the latest; or a checkpoint's path, with or without ``.index``.
    """
    if not path.is_dir():
        stem = path.with_name(path.name.removesuffix(".index"))
        return stem if stem.with_name(f"{stem.name}.index").is_file() else None
    import tensorflow as tf

    # Not ``latest_checkpoint``, which takes the folder's name for a pattern.
    state = tf.train.get_checkpoint_state(str(path))
    if state is not None and Path(f"{state.model_checkpoint_path}.index").is_file():
        return Path(state.model_checkpoint_path)
    held = sorted(path.glob("*.index"))
    return held[0].with_suffix("") if len(held) == 1 else None


def checkpoint_files(checkpoint: Path) -> list[Path]:
    """The files that a checkpoint consists of."""
    data = checkpoint.parent.glob(f"{glob.escape(checkpoint.name)}.data-?????-of-?????")
    return [checkpoint.with_name(f"{checkpoint.name}.index"), *sorted(data)]


def load_checkpoint(model: keras.Model, checkpoint: Path) -> None:
    """Loads a checkpoint into the model.

    Args:
        model: the flat model.
        checkpoint: from :func:`find_checkpoint`.

    Raises:
        UserError: the checkpoint cannot be read, or belongs to another network.
    """
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(plain_path(checkpoint))
        held = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        hint = f"it cannot be read, perhaps cut short: {str(error).splitlines()[0]}"
        raise UserError(fault("backbone.weights", str(checkpoint), "a whole checkpoint", hint)) from error
    held = {name: shape for name, shape in held.items() if not _FOREIGN.search(name)}
    pairs = _by_path(model, held) or _by_holder(model, held)
    if pairs is None:
        wanted = [(variable.path, tuple(variable.shape)) for variable in model.weights]
        both = shown(_listed(held), wanted)
        raise UserError(fault("backbone.weights", str(checkpoint), "the weights of this backbone", both))
    for variable, name in pairs:
        variable.assign(reader.get_tensor(name))


def _by_path(model: keras.Model, held: dict[str, tuple[int, ...]]) -> list[tuple[Any, str]] | None:
    pairs = [(variable, str(variable.path)) for variable in model.weights]
    fits = len(pairs) == len(held) and all(held.get(path) == tuple(one.shape) for one, path in pairs)
    return pairs if fits else None


def _by_holder(model: keras.Model, held: dict[str, tuple[int, ...]]) -> list[tuple[Any, str]] | None:
    theirs: dict[str, dict[str, str]] = {}
    for name, _ in _listed(held):
        holder, _, leaf = name.removesuffix(_VALUE).rpartition("/")
        theirs.setdefault(holder, {})[leaf.lstrip("_")] = name
    ours: dict[str, dict[str, Any]] = {}
    for variable in model.weights:
        holder, _, leaf = variable.path.rpartition("/")
        ours.setdefault(holder, {})[leaf] = variable
    if len(theirs) != len(ours):
        return None
    pairs = []
    for their, our in zip(theirs.values(), ours.values(), strict=True):
        if their.keys() != our.keys() or any(held[their[leaf]] != tuple(our[leaf].shape) for leaf in our):
            return None
        pairs += [(our[leaf], their[leaf]) for leaf in our]
    return pairs


def _listed(held: dict[str, tuple[int, ...]]) -> list[Entry]:
    """In the order of the numbers in their names: layer 2 before layer 10."""

    def key(entry: Entry) -> list[tuple[int, int, str]]:
        return [
            (1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", entry[0])
        ]

    return sorted(held.items(), key=key)
