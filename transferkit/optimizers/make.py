"""A phase's optimizer, with everything that the phase says about its updates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferkit.errors import UserError, fault, near
from transferkit.optimizers.groups import grouped

__all__ = ["make_optimizer"]


def make_optimizer(
    phase: Any, learning_rate: Any = None, multipliers: Mapping[str, float] | None = None
) -> Any:
    """The Keras optimizer of a phase.

    Args:
        phase: one of ``recipe.resolved_phases``: its ``optimizer``, ``gradient_clipping``, ``accumulation``
            and ``ema`` are read.
        learning_rate: a Keras schedule (see :func:`transferkit.schedules.as_keras`), or None for the rate
            that stands with the optimizer.
        multipliers: path of a variable to its share of the learning rate; 1 for those that it lacks.

    Returns:
        A Keras optimizer, not built yet. With ``accumulation = K`` every Kth call of ``apply`` changes the
        weights; with ``ema``, ``finalize_variable_values(variables)`` puts the averages in their place.

    Raises:
        UserError: the installed Keras has no such optimizer, or refuses an argument.
    """
    from transferkit.keras3 import keras

    spec = phase.optimizer
    classes = {
        name.lower(): one
        for name, one in vars(keras.optimizers).items()
        if isinstance(one, type) and issubclass(one, keras.optimizers.Optimizer)
    }
    wanted = classes.get(spec.name.replace("_", ""))
    if wanted is None:
        raise UserError(
            fault(
                "optimizer.name", spec.name, f"one of {', '.join(sorted(classes))}", near(spec.name, classes)
            )
        )
    arguments = dict(spec.options)
    if learning_rate is not None:
        arguments["learning_rate"] = learning_rate
    clipping = phase.gradient_clipping
    if clipping is not None:
        arguments.update(
            {
                keras_name: value
                for keras_name, value in (
                    ("global_clipnorm", clipping.global_norm),
                    ("clipnorm", clipping.norm),
                    ("clipvalue", clipping.value),
                )
                if value is not None
            }
        )
    if phase.accumulation > 1:
        arguments["gradient_accumulation_steps"] = phase.accumulation
    if phase.ema is not None:
        # The averages go into the weights only when `finalize_variable_values` is called.
        arguments.update(use_ema=True, ema_momentum=phase.ema.momentum, ema_overwrite_frequency=None)
    shares = {path: share for path, share in (multipliers or {}).items() if share != 1.0}
    try:
        made = grouped(wanted)(**arguments) if shares else wanted(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(fault("optimizer", spec.name, "arguments that it takes", str(error))) from None
    if shares:
        made.multipliers = shares
    return made
