"""Pre-made Estimators as ``tf.compat.v1.estimator`` had them.

Their losses are sums over a batch, the deep ones' named optimizers have a rate of 0.05, and a name means the
optimizer of ``tf.compat.v1.train`` with that class's own constants.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from transferkit.errors import did_you_mean, fault
from transferkit.estimator.estimator import Estimator
from transferkit.estimator.premade import baseline, combined, dnn, linear

__all__ = ["PREMADE", "get_optimizer_instance"]

v1 = tf.compat.v1

_SUM = v1.losses.Reduction.SUM
_REDUCTIONS = {
    _SUM: "sum",
    v1.losses.Reduction.SUM_OVER_BATCH_SIZE: "sum_over_batch_size",
}
_NAMED = {
    "Adagrad": v1.train.AdagradOptimizer,
    "Adam": v1.train.AdamOptimizer,
    "Ftrl": v1.train.FtrlOptimizer,
    "RMSProp": v1.train.RMSPropOptimizer,
    "SGD": v1.train.GradientDescentOptimizer,
}
# Argument that names an optimizer -> its rate, by what a class's name begins with.
_RATES = (
    ("DNNLinearCombined", {"dnn_optimizer": 0.001, "linear_optimizer": 0.005}),
    ("DNN", {"optimizer": 0.05}),
    ("Linear", {"optimizer": 0.2}),
    ("Baseline", {"optimizer": 0.3}),
)
_MODULES = (baseline, combined, dnn, linear)


def _named(place: str, name: str, rate: float, columns: Any) -> Callable[[], Any]:
    """A function that makes the optimizer of ``name``; many wide columns lower its rate."""
    if name not in _NAMED:
        raise ValueError(fault(place, name, "one of " + ", ".join(_NAMED), did_you_mean(name, _NAMED)))
    if columns:
        rate = min(rate, len(columns) ** -0.5)
    return lambda: _NAMED[name](rate)


def get_optimizer_instance(opt: Any, learning_rate: float | None = None) -> Any:
    """What ``canned.optimizers.get_optimizer_instance`` gave; programs with model_fns of their own call it.

    Args:
        opt: one of five names, an optimizer of ``tf.compat.v1.train``, or a function that makes one.
        learning_rate: of a named one.

    Raises:
        ValueError: for anything else, and for a name without a rate.
    """
    if isinstance(opt, str):
        if not learning_rate:
            raise ValueError(fault("learning_rate", learning_rate, "the rate of an optimizer given by name"))
        opt = _named("opt", opt, learning_rate, None)
    made = opt() if callable(opt) else opt
    if not isinstance(made, v1.train.Optimizer):
        raise ValueError(fault("opt", made, "a name, an optimizer of tf.compat.v1.train, or its maker"))
    return made


def _signature(kind: type) -> inspect.Signature:
    """The arguments of ``kind``, with the partitioner that stood among them, and a sum for the loss."""
    partitioner = inspect.Parameter(
        "partitioner" if kind.__name__.startswith("Linear") else "input_layer_partitioner",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
    )
    parameters: list[inspect.Parameter] = []
    for one in inspect.signature(kind.__init__).parameters.values():  # type: ignore[misc]
        own = one.replace(default=_SUM) if one.name == "loss_reduction" else one
        parameters.append(own)
        if one.name == "config" and not kind.__name__.startswith("Baseline"):
            # A deep model's stood before the configuration.
            parameters.insert(len(parameters) - (partitioner.name != "partitioner"), partitioner)
    return inspect.Signature(parameters)


def _as_it_was(kind: type[Estimator]) -> type[Estimator]:
    signature = _signature(kind)
    rates = next(rates for begin, rates in _RATES if kind.__name__.startswith(begin))

    def make(self: Any, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        for name in ("self", "partitioner", "input_layer_partitioner"):
            # Parameter servers held the parts that a partitioner made.
            given.pop(name, None)
        if "loss_reduction" in given:
            reduction = given["loss_reduction"]
            if reduction not in _REDUCTIONS:
                expected = "SUM or SUM_OVER_BATCH_SIZE of tf.compat.v1.losses.Reduction"
                raise ValueError(fault(f"{kind.__name__}.loss_reduction", reduction, expected))
            given["loss_reduction"] = _REDUCTIONS[reduction]
        for name, rate in rates.items():
            if isinstance(given[name], str):
                wide = given.get("linear_feature_columns") if name == "linear_optimizer" else None
                given[name] = _named(f"{kind.__name__}.{name}", given[name], rate, wide)
        kind.__init__(self, **given)

    make.__signature__ = signature  # type: ignore[attr-defined]
    # Where pickle and people find it.
    body = {"__init__": make, "__doc__": kind.__doc__, "__module__": "transferkit.estimator.v1"}
    return type(kind.__name__, (kind,), body)


# Name -> class.
PREMADE = {name: _as_it_was(getattr(module, name)) for module in _MODULES for name in module.__all__}
