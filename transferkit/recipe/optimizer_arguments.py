"""What the arguments of Keras's optimizers do, for the schema and the reference of recipe keys."""

from __future__ import annotations

from typing import Any

from transferkit.recipe.keras_optimizers import UNSET

__all__ = ["argument_schema"]

_EFFECTS = {
    "learning_rate": "learning rate that schedules start from",
    "weight_decay": "share of each weight that is subtracted at each step, times the learning rate",
    "momentum": "share of the last update that is added to the next one",
    "nesterov": "Nesterov momentum: the gradient is taken after the momentum's step",
    "epsilon": "small number in the denominator that keeps steps finite",
    "beta_1": "decay of the running mean of the gradients",
    "beta_2": "decay of the running mean of the squared gradients",
    "amsgrad": "divide by the largest running mean of squared gradients so far",
    "rho": "decay of the running mean of the squared gradients",
    "centered": "divide by the gradients' variance instead of their mean square",
    "initial_accumulator_value": "start value of the sums of squared gradients",
    "beta_2_decay": "exponent by which the decay of the squared gradients' mean grows with the steps",
    "epsilon_1": "small number that is added to squared gradients",
    "epsilon_2": "smallest scale of a weight that relative steps are multiplied by",
    "clip_threshold": "largest root mean square of an update",
    "relative_step": "let the rate fall with the root of the number of steps",
    "learning_rate_power": "exponent by which the rate falls with the sums of squared gradients, 0 or less",
    "l1_regularization_strength": "L1 penalty on the weights",
    "l2_regularization_strength": "L2 penalty on the weights",
    "l2_shrinkage_regularization_strength": "L2 penalty that is added to the gradients",
    "beta": "number that is added to the sums of squared gradients",
    "warmup_steps": "steps over which the rate rises from 0",
    "adam_beta_1": "beta_1 for the weights that Adam trains",
    "adam_beta_2": "beta_2 for the weights that Adam trains",
    "adam_weight_decay": "weight_decay for the weights that Adam trains",
    "adam_lr_ratio": "Adam's learning rate as a multiple of Muon's",
    "exclude_layers": "parts of names of layers that Adam trains",
    "exclude_embeddings": "let Adam train embeddings",
    "muon_a": "first coefficient of the Newton-Schulz iteration",
    "muon_b": "second coefficient of the Newton-Schulz iteration",
    "muon_c": "third coefficient of the Newton-Schulz iteration",
    "ns_steps": "steps of the Newton-Schulz iteration",
    "rms_rate": "root mean square to which updates are scaled",
}
# What a newer Keras adds.
_UNKNOWN = "see Keras's documentation of this optimizer"


def argument_schema(name: str, default: Any) -> dict[str, Any]:
    """JSON Schema of one argument.

    Args:
        name: of the argument.
        default: its default in Keras's signature; None and ``UNSET`` are left out.
    """
    schema: dict[str, Any] = {"description": _EFFECTS.get(name, _UNKNOWN)}
    if default is not UNSET:
        schema["type"] = _type(name, default)
    if name == "learning_rate":
        schema["exclusiveMinimum"] = 0
    if default not in (None, UNSET):
        schema["default"] = default
    return schema


def _type(name: str, default: Any) -> str | list[str]:
    if isinstance(default, bool):
        return "boolean"
    if isinstance(default, str):
        return "string"
    if default is None:
        return "number" if name == "weight_decay" else ["number", "array"]
    return "number"
