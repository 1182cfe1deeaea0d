"""Heads made of branches: each reads some levels, bends them or not, and gives logits, which are added up.

A branch is Keras's own dense layers and activations, so that every export format can hold it:

* ``linear``: ``x W + b``;
* ``relu``: ``relu(x P + c) W + b``, random features;
* ``gaussian``: ``exp(-g |x - z_i|^2) W + b`` over images ``z_i``;
* ``arc_cosine``: ``k(angle of [x, c] and [z_i, c]) W + b``, the kernel of an endless layer of relu units with
  thresholds (Cho and Saul 2009).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from transferkit.type_names import NamedValues, Tensors

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = [
    "Branch",
    "Found",
    "Kind",
    "branch_layer",
    "columns_of_levels",
    "design_from",
    "hidden_values",
    "set_branch_weights",
]

Kind = Literal["linear", "relu", "gaussian", "arc_cosine"]


@dataclass(frozen=True)
class Branch:
    """The structure of one branch; its weights are the layer's.

    Attributes:
        kind: what it does with the features.
        levels: those that it reads; empty for all.
        units: values that it makes of them before the last dense layer; 0 for ``linear``.
    """

    kind: Kind
    levels: tuple[str, ...] = ()
    units: int = 0


@dataclass(frozen=True)
class Found:
    """What a head of branches was fitted to be.

    Attributes:
        design: its branches.
        weights: of each branch: those of its hidden layers, then kernel and bias of the last one.
        facts: how it was chosen, ready for JSON.
        right: float64 ``[M]``, of the images that a choice was made on, in their order: the share of ways to
            leave it out in which each was answered rightly; None where nothing was chosen.
        losses: float64 ``[M]``, of the same images: the log loss, the mean over ways to leave it out.
        groups: int64 ``[M]``, of the same images: one number for those that are no independent draws.
        linear: the first two of the linear head on the last features, which others are compared with.
        places: int64 ``[M]``: which of the training images they are.
        counted: float64 ``[M]``: how much each counts in its loss.
        held: float64 ``[M, C]`` for each way to leave out: held-out logits, at the scale of probabilities.
    """

    design: tuple[Branch, ...]
    weights: list[list[np.ndarray]]
    facts: NamedValues
    right: np.ndarray | None = None
    losses: np.ndarray | None = None
    groups: np.ndarray | None = None
    linear: tuple[np.ndarray, np.ndarray] | None = None
    places: np.ndarray | None = None
    counted: np.ndarray | None = None
    held: list[np.ndarray] | None = None

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels that the branches read, in no order; empty where they read all."""
        if any(not one.levels for one in self.design):
            return ()
        return tuple(dict.fromkeys(name for one in self.design for name in one.levels))

    def to_dict(self) -> NamedValues:
        """Structure and choice, ready for JSON."""
        return {"branches": [asdict(one) for one in self.design], **self.facts}


def design_from(read: Mapping[str, Any]) -> tuple[Branch, ...]:
    """The branches of what :meth:`Found.to_dict` gave."""
    return tuple(Branch(one["kind"], tuple(one["levels"]), int(one["units"])) for one in read["branches"])


def columns_of_levels(levels: Mapping[str, int], names: Sequence[str]) -> np.ndarray:
    """Where the features of some levels stand among those of all, int64; of all where no name is given."""
    ends = np.cumsum(list(levels.values()))
    ranges = {
        name: np.arange(end - width, end) for (name, width), end in zip(levels.items(), ends, strict=True)
    }
    return np.concatenate([ranges[name] for name in levels if name in names or not names])


def hidden_values(kind: Kind, rows: np.ndarray, hidden: Sequence[np.ndarray]) -> np.ndarray:
    """What a branch makes of features before its last layer, float64 ``[N, units]``: the layer, in NumPy."""
    if kind == "linear":
        return rows
    if kind == "relu":
        positive: np.ndarray = np.maximum(rows @ hidden[0] + hidden[1], 0)
        return positive
    if kind == "gaussian":
        bells: np.ndarray = np.exp(np.minimum(rows @ hidden[0] + hidden[1] + np.square(rows) @ hidden[2], 0))
        return bells
    lengths = np.sqrt(np.square(rows) @ hidden[2] + hidden[3])
    return arc_cosine((rows @ hidden[0] + hidden[1]) / lengths)


def arc_cosine(cosines: np.ndarray) -> np.ndarray:
    """The arc-cosine kernel of order 1 of vectors of length 1, from the cosines of their angles."""
    cosines = np.clip(cosines, -1, 1)
    sines = np.sqrt(1 - np.square(cosines))
    result: np.ndarray = (sines + (np.pi - np.arctan2(sines, cosines)) * cosines) / np.pi
    return result


def branch_layer(design: Sequence[Branch], levels: Mapping[str, int], width: int, classes: int) -> Any:
    """The Keras model, features float32 ``[N, width]`` to logits float32 ``[N, classes]``; its weights are 0.

    Args:
        design: its branches.
        levels: name to number of features, in their order; empty where nothing is known of them.
        width: length of a feature vector.
        classes: number of classes.
    """
    from transferkit.keras3 import keras

    def dense(name: str, units: int, bias: bool = True) -> Any:
        return keras.layers.Dense(
            units, use_bias=bias, kernel_initializer="zeros", dtype="float32", name=name
        )

    features = keras.Input((width,), name="features")
    logits = []
    for number, branch in enumerate(design):
        name = f"{branch.kind}_{number}"
        x = _picked(features, levels, branch, name)
        if branch.kind == "relu":
            x = keras.layers.ReLU(name=f"{name}_relu", dtype="float32")(
                dense(f"{name}_hidden", branch.units)(x)
            )
        elif branch.kind == "gaussian":
            near = dense(f"{name}_hidden", branch.units)(x)
            # In this order: Keras takes a second summand [N, 1] for a bias where N is the number of units.
            near = dense(f"{name}_square", 1, False)(keras.ops.square(x)) + near
            # No distance is below zero, whatever rounding says.
            x = keras.ops.exp(keras.ops.minimum(near, 0.0))
        elif branch.kind == "arc_cosine":
            lengths = keras.ops.sqrt(dense(f"{name}_square", 1)(keras.ops.square(x)))
            cosines = keras.ops.clip(dense(f"{name}_hidden", branch.units)(x) / lengths, -1.0, 1.0)
            sines = keras.ops.sqrt(1.0 - keras.ops.square(cosines))
            angles = keras.ops.arctan2(sines, cosines)
            x = (sines + (np.pi - angles) * cosines) * (1 / np.pi)
        logits.append(dense(f"{name}_logits", classes)(x))
    total = logits[0] if len(logits) == 1 else keras.layers.Add(name="logits", dtype="float32")(logits)
    return keras.Model(features, total, name="head")


# The layers of a branch before its last one that have weights, with how many each has.
_HIDDEN: dict[str, tuple[tuple[str, int], ...]] = {
    "linear": (),
    "relu": (("hidden", 2),),
    "gaussian": (("hidden", 2), ("square", 1)),
    "arc_cosine": (("hidden", 2), ("square", 2)),
}


def set_branch_weights(
    layer: keras.Layer, design: Sequence[Branch], weights: Sequence[Sequence[np.ndarray]]
) -> None:
    """Puts the weights of each branch into the layer that :func:`branch_layer` built.

    By the names of the layers: Keras orders weights by their depth, and not by branches.
    """
    for number, (branch, own) in enumerate(zip(design, weights, strict=True)):
        left = [np.asarray(one, np.float32) for one in own]
        for name, count in (*_HIDDEN[branch.kind], ("logits", 2)):
            layer.get_layer(f"{branch.kind}_{number}_{name}").set_weights(left[:count])
            left = left[count:]


def _picked(features: Tensors, levels: Mapping[str, int], branch: Branch, name: str) -> Any:
    from transferkit.keras3 import keras

    if not branch.levels or set(branch.levels) >= set(levels):
        return features
    columns = columns_of_levels(levels, branch.levels)
    runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    parts = [features[:, int(run[0]) : int(run[-1]) + 1] for run in runs]
    return parts[0] if len(parts) == 1 else keras.layers.Concatenate(name=f"{name}_levels")(parts)
