"""The head that TensorFlow 1's pre-made Estimators stood on, for programs that derive their own from it."""

from __future__ import annotations

import abc
from typing import Any

from transferkit.type_names import Tensor, Tensors

__all__ = ["FirstHead"]


class FirstHead(abc.ABC):
    """From logits to an EstimatorSpec; it has no part that heads share.

    In tf.estimator it was ``canned.head._Head``. A head of today derives from
    :class:`transferkit.estimator.Head`.
    """

    @property
    @abc.abstractmethod
    def name(self) -> str | None:
        """The suffix of its metrics' names."""

    @property
    @abc.abstractmethod
    def logits_dimension(self) -> int:
        """The last dimension of the logits."""

    @abc.abstractmethod
    def create_loss(self, features: Tensors, mode: str, logits: Tensor, labels: Tensors) -> Any:
        """The loss of a batch, and what belongs to it."""

    @abc.abstractmethod
    def create_estimator_spec(
        self, features: Tensors, mode: str, logits: Tensor, labels: Tensors = None, **kwargs: Any
    ) -> Any:
        """What a model_fn returns."""
