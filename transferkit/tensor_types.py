"""Names for what TensorFlow and Keras hand around: they have no types that a checker could read.

Importing this imports neither of them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["Metric", "Optimizer", "Tensor", "Tensors", "Variable"]

# A tensor: dense unless it is said to be sparse or ragged; in a Keras model a symbolic one.
Tensor: TypeAlias = Any
# A tensor, or several in the structure that the caller chose: features, labels and logits of a model_fn.
Tensors: TypeAlias = Any
# A variable of TensorFlow or Keras, or one that a strategy keeps several copies of.
Variable: TypeAlias = Any
# An optimizer of Keras 3, of the older Keras, or of TensorFlow 1; pre-made Estimators take its name, too.
Optimizer: TypeAlias = Any
# A Keras metric, or TensorFlow 1's pair of a value and the operation that updates it.
Metric: TypeAlias = Any
