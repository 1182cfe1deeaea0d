"""Names for values that have no class of their own, wherever they come from and go to.

What is in named values is checked where they are read: of a recipe by its sections, of a file by its reader.
What TensorFlow and Keras hand around has no types that a checker could read: the names are for readers.
Importing this imports neither of them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["Metric", "NamedValues", "Optimizer", "Override", "Tensor", "Tensors", "Variable"]

# Values by name, as a TOML table, a JSON object or a layer's configuration holds them.
NamedValues: TypeAlias = dict[str, Any]
# What is put over a recipe: "key=value" as a command line has it, or a dotted key and its value.
Override: TypeAlias = str | tuple[str, Any]

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
