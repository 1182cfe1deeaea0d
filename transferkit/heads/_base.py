"""What every head is: from a feature vector to logits, and from logits to an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from transferkit.registry import Component

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

__all__ = ["Head"]


class Head(Component):
    """Base of all heads. A head implements :meth:`build`; the fields of its class are its arguments.

    A head that needs no gradient steps sets ``closed_form`` and implements :meth:`fit` as well.
    """

    # True: `fit` finds the weights from all features at once, and there is nothing for phases to do.
    closed_form: ClassVar[bool] = False

    multi_label: bool = Field(False, description="an image may have any number of labels, also none")
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
