"""What transferkit reads of Keras by names that are not public.

Each function says why there is no public way, and since which Keras it is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# First of all: what it brings was set up before it was imported.
from transferkit.type_names import Optimizer, Variable

from transferkit.keras_import import keras  # isort: skip
from keras.src.backend.common import global_state  # isort: skip
from keras.src.utils import naming  # isort: skip

__all__ = [
    "compiled_metrics",
    "connected_by_graph",
    "global_value",
    "has_shared_state",
    "inputs_structure",
    "nodes_of",
    "older_compile_arguments",
    "rate_of",
    "run_through",
    "set_global_value",
    "snake_case",
    "takes_training",
    "updates_given",
    "variable_updated",
    "variables_held",
    "with_inner_layers",
]


def global_value(name: str) -> Any:
    """A value of Keras's own state, such as the counts behind the names of layers; since 3.0.

    The public ``clear_session`` throws the counts away, and with them those of the user's own layers.
    """
    return global_state.get_global_attribute(name)


def set_global_value(name: str, value: Any) -> None:
    """Sets what :func:`global_value` reads; since 3.0."""
    global_state.set_global_attribute(name, value)


def snake_case(name: str) -> str:
    """The name that Keras gives to a layer of a class that nobody named, without its number; since 3.0."""
    result: str = naming.to_snake_case(name)
    return result


def connected_by_graph(model: Any) -> bool:
    """Whether a model is functional: a graph of operations, and no code of its own; since 3.0.

    A public test, the class ``Functional``, is not exported.
    """
    return isinstance(model, keras.Model) and hasattr(model, "_nodes_by_depth")


def nodes_of(model: Any) -> list[Any]:
    """The nodes of a functional model's graph, each with its operation and outputs; since 3.0.

    The public ``layer.output`` is that of a layer's first call, and a layer may serve several models.
    """
    return [node for level in model._nodes_by_depth.values() for node in level]


def run_through(model: Any, inputs: Any, operation_fn: Callable[[Any], Callable[..., Any]]) -> Any:
    """Applies a functional model with ``operation_fn(operation)`` in each operation's place; since 3.0.

    The public ``clone_model`` takes such a function only together with new weights.

    Args:
        model: functional.
        inputs: tensors in the place of its own.
        operation_fn: gives what is called for an operation.
    """
    return model._run_through_graph(inputs, operation_fn=operation_fn)


def takes_training(layer: Any) -> bool:
    """Whether a layer's ``call`` takes ``training``, also by way of a wrapper's; since 3.0."""
    return bool(getattr(layer, "_call_has_training_arg", False))


def with_inner_layers(layer: Any) -> list[Any]:
    """A layer and all inside it, also those that are no attribute of a model; since 3.0."""
    return list(layer._flatten_layers())


def variables_held(layer: Any) -> list[Any]:
    """The variables of a layer itself, trainable or not, without those of layers inside it; since 3.0."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def compiled_metrics(model: Any) -> Any:
    """The metrics that ``compile`` was given, as one; None before. The public ``metrics`` has the losses too,
    and no way to update them together; since 3.0."""
    return model._compile_metrics


def inputs_structure(model: Any) -> Any:
    """The structure in which a functional model takes its inputs; ``inputs`` is flat; since 3.2."""
    return getattr(model, "_inputs_struct", None)


def updates_given(optimizer: Optimizer) -> Any:
    """The variable that counts the batches that an optimizer was given; None for what is no optimizer.

    The public ``iterations`` counts updates: no variable, and fewer where gradients accumulate; since 3.0.
    """
    return getattr(optimizer, "_iterations", None)


def rate_of(optimizer: Optimizer) -> Any:
    """What an optimizer was given as its rate: a variable, a schedule or a callable. The public
    ``learning_rate`` is its value now; since 3.0."""
    return getattr(optimizer, "_learning_rate", None)


def has_shared_state(optimizer: Optimizer) -> bool:
    """Whether an optimizer has Nadam's product, a state of no single variable; since 3.0."""
    return hasattr(optimizer, "_u_product")


def variable_updated(optimizer: Optimizer, variable: Variable) -> Any:
    """The Keras variable of what ``update_step`` is given: in a graph TensorFlow's own, without a path; since
    3.0."""
    return optimizer._trainable_variables[optimizer._get_variable_index(variable)]


def older_compile_arguments(model: Any) -> dict[str, Any]:
    """Losses and metrics as a model of the older Keras (``tf_keras``) was compiled with them; since 2.16.

    The public ``get_compile_config`` turns functions of the user's into names, which need not be found again.
    """
    losses, metrics = model.compiled_loss, model.compiled_metrics
    return {
        "loss": losses._user_losses,
        "loss_weights": losses._user_loss_weights,
        "metrics": metrics._user_metrics,
        "weighted_metrics": metrics._user_weighted_metrics,
    }
