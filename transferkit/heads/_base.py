"""What every head is: from a feature vector to logits, and from logits to an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from transferkit.registry import Component

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

__all__ = ["ClosedForm", "Divided", "Head", "Known", "Penalty", "Width"]

# What heads choose from: none of it endless, or it would be fitted to nothing.
Penalty = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Width = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Divided:
    """Training images of which each of several workers has some.

    Attributes:
        places: int64 ``[n]``, ascending: which of the ``N`` images this worker has the features of.
        total: the sum over workers of an array float64; all ask for the same sums in the same order.
    """

    places: np.ndarray
    total: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Known:
    """What else is known of the training images, for heads that can use it.

    Attributes:
        groups: int ``[N]``, the same for images that must not be divided between what a choice is fitted on
            and what it is judged on: copies, views of one photo, groups of the data.
        levels: name to number of features of the levels that a feature vector is made of, in their order.
        seconds: that may be spent on choosing; None for any.
        choice: kind, levels and width of what an earlier fit chose: nothing else is judged then.
        divided: where several workers have the features, for heads that add up their sums; None else.
    """

    groups: np.ndarray
    levels: Mapping[str, int]
    seconds: float | None = None
    choice: Sequence[tuple[str, tuple[str, ...], float]] = ()
    divided: Divided | None = None


class Head(Component):
    """Base of all heads. A head implements :meth:`build`; the fields of its class are its arguments.

    A head that needs no gradient steps sets ``closed_form`` and implements :meth:`fit` as well.
    """

    # True: `fit` finds the weights from all features at once, and there is nothing for phases to do.
    closed_form: ClassVar[bool] = False

    multi_label: bool = Field(False, description="an image may have any number of labels, including none")
    thresholds: Literal["auto"] | float | list[float] | dict[str, float] = Field(
        "auto",
        description="multi-label: the probability from which a label counts as given: one, one for each, or "
        '"auto": those with the best F1 on the validation images, or with evaluation.precision there',
    )

    def build(self, width: int, classes: int, seed: int) -> Any:
        """The built layer that this head is.

        Args:
            width: length ``D`` of a feature vector.
            classes: number of classes ``C``.
            seed: every initial value and every dropout mask is drawn from it.

        Returns:
            A built Keras layer or model, features float32 ``[N, D]`` to logits float32 ``[N, C]``.
        """
        raise NotImplementedError

    def fit(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        classes: int,
        seed: int,
        class_weights: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        """The weights of the built layer, in the order of its ``weights``.

        Args:
            features: float32 ``[N, D]`` of the training images.
            labels: int ``[N]``, or float ``[N, C]`` where ``multi_label``.
            classes: number of classes.
            seed: of folds and the like.
            class_weights: float32 ``[C]``, how much an image of each class counts; None for alike.
        """
        raise NotImplementedError(f"the head {type(self).__name__} is trained by gradient steps")

    def probabilities(self, logits: tf.Tensor) -> tf.Tensor:
        """float32 ``[N, C]``: softmax (each row sums to 1), or sigmoid where ``multi_label``."""
        import tensorflow as tf

        logits = tf.cast(logits, tf.float32)
        return tf.sigmoid(logits) if self.multi_label else tf.nn.softmax(logits)

    def cut_offs(self, classes: Sequence[str]) -> list[float]:
        """The threshold of each label; a half where it is yet to be chosen.

        Raises:
            ValueError: thresholds for labels that there are not, or not one for each.
        """
        if isinstance(self.thresholds, dict):
            unknown = sorted(set(self.thresholds) - set(classes))
            if unknown:
                raise ValueError(f"head.thresholds: received {unknown[0]!r}, expected labels of the data")
            return [self.thresholds.get(name, 0.5) for name in classes]
        if isinstance(self.thresholds, list):
            if len(self.thresholds) != len(classes):
                raise ValueError(
                    f"head.thresholds: received {len(self.thresholds)}, expected {len(classes)}, "
                    "one for each label"
                )
            return self.thresholds
        return [0.5 if self.thresholds == "auto" else self.thresholds] * len(classes)


class ClosedForm(Head):
    """Base of the heads that are found at once, on features of one or several levels of the backbone."""

    closed_form: ClassVar[bool] = True
    # True: where the backbone shows no stages, its own features do; else that is an error.
    takes_what_there_is: ClassVar[bool] = False
    # True: with at least as many images as features, workers can add up sums over the images of each.
    adds_up: ClassVar[bool] = False

    features: Literal["last", "levels", "all"] | tuple[str, ...] = Field(
        "last",
        description="the backbone's own features, or pooled outputs of several stages: "
        '"levels" takes four of the upper half, "all" every one, a list names them',
    )
    pooling: tuple[Literal["mean", "max", "std"], ...] = Field(
        ("mean",), min_length=1, description="how the maps of lower levels are pooled; each adds features"
    )

    @field_validator("features", "pooling")
    @classmethod
    def _names_each_once(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(value, str):
            return value
        if not value:
            raise ValueError('received an empty list, expected names of stages, or "last"')
        twice = next((one for one in value if value.count(one) > 1), None)
        if twice is not None:
            raise ValueError(f"received {twice!r} twice, expected each once")
        return value

    def build(self, width: int, classes: int, seed: int) -> Any:
        from transferkit.heads._closed import linear_layer

        return linear_layer(width, classes, seed, getattr(self, "normalise", False))

    def fit(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        classes: int,
        seed: int,
        class_weights: np.ndarray | None = None,
        known: Known | None = None,
    ) -> Any:
        """As of :meth:`Head.fit`, or a :class:`~transferkit.heads._branches.Found` that brings the layer too.

        Args:
            known: what else is known of the images; None: nothing. With its ``divided`` the features are
                float32 ``[n, D]``, of this worker's images alone, and the labels those of all.
        """
        raise NotImplementedError

    @property
    def wants_levels(self) -> bool:
        """The features are not the backbone's own alone."""
        return self.features != "last"

    def level_names(self, stages: Sequence[str]) -> list[str]:
        """Which levels the features are made of.

        Args:
            stages: the backbone's levels, from the input up.
        """
        if self.features == "last":
            return [own[-1] for own in networks_of(stages)]
        if self.features == "levels":
            return [name for own in networks_of(stages) for name in upper_half(own)]
        if self.features == "all":
            return list(stages)
        return list(self.features)


# How many levels "levels" takes.
_UPPER = 4


def networks_of(names: Sequence[str]) -> list[list[str]]:
    """The levels of each network, where several stand side by side; of the one where it is alone.

    >>> networks_of(["a:stem", "a:top", "b:top"])
    [['a:stem', 'a:top'], ['b:top']]
    """
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.rpartition(":")[0], []).append(name)
    return list(found.values())


def upper_half(names: Sequence[str]) -> list[str]:
    """The last level and three more at even distances over the upper half.

    >>> upper_half(["stem", "a", "b", "c", "d", "e", "f", "g", "h", "top"])
    ['d', 'f', 'h', 'top']
    """
    first = len(names) // 2
    steps = min(_UPPER, len(names) - first) - 1
    places = {first + round(number * (len(names) - 1 - first) / max(steps, 1)) for number in range(steps + 1)}
    return [names[place] for place in sorted({*places, len(names) - 1})]
