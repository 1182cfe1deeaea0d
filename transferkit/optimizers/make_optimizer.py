"""A phase's optimizer, with everything that the phase says about its updates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from transferkit.errors import UserError, did_you_mean, fault
from transferkit.optimizers.variable_groups import grouped
from transferkit.registry import import_dotted

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = ["batches_seen", "clips", "make_optimizer"]


def batches_seen(optimizer: keras.Optimizer) -> Any:
    """The Keras variable that counts the batches that an optimizer was given.

    Keras's public ``iterations`` counts updates: no variable, and fewer, where gradients are accumulated.
    """
    from transferkit.private.keras_names import updates_given

    return updates_given(optimizer)


def clips(optimizer: keras.Optimizer) -> bool:
    """Whether a Keras optimizer bounds the gradients that it is given."""
    return any(getattr(optimizer, name, None) for name in ("global_clipnorm", "clipnorm", "clipvalue"))


def make_optimizer(
    phase: Any,
    learning_rate: Any = None,
    multipliers: Mapping[str, float] | None = None,
    carries: bool = False,
    replicas: int = 1,
) -> Any:
    """The Keras optimizer of a phase.

    Args:
        phase: one of ``recipe.resolved_phases``: its ``optimizer``, ``gradient_clipping``, ``accumulation``
            and ``ema`` are read.
        learning_rate: a Keras schedule (see :func:`transferkit.schedules.as_keras`), or None for the rate
            that stands with the optimizer.
        multipliers: path of a variable to its share of the learning rate; 1 for those that it lacks.
        carries: its moments are to come from another phase: it can be told each variable's earlier updates.
        replicas: it adds up so many equal parts of the whole gradient, each of which it clips by itself.

    Returns:
        A Keras optimizer, not built yet. With ``accumulation = K`` every Kth call of ``apply`` changes the
        weights; with ``ema``, ``finalize_variable_values(variables)`` puts the averages in their place.

    Raises:
        UserError: the installed Keras has no such optimizer, or refuses an argument; a dotted path leads to
            no optimizer.
    """
    spec = phase.optimizer
    wanted = _own(spec.name) if ":" in spec.name else _of_keras(spec.name)
    # A name of its own, whatever the process made before: checkpoints hold it.
    arguments = {**spec.options, "name": spec.name.rpartition(":")[2]}
    if learning_rate is not None:
        arguments["learning_rate"] = learning_rate
    elif type(arguments.get("learning_rate")) is int:
        arguments["learning_rate"] = float(arguments["learning_rate"])  # Keras takes no whole number
    clipping = phase.gradient_clipping
    if clipping is not None:
        arguments.update(
            {
                keras_name: value / replicas
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
        made = grouped(wanted)(**arguments) if shares or carries else wanted(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(fault("optimizer", spec.name, "arguments that it takes", str(error))) from None
    if shares:
        made.multipliers = shares
    return made


def _of_keras(name: str) -> type:
    from transferkit.keras3 import keras

    classes = {
        known.lower(): one
        for known, one in vars(keras.optimizers).items()
        if isinstance(one, type) and issubclass(one, keras.optimizers.Optimizer)
    }
    wanted = classes.get(name.replace("_", ""))
    if wanted is None:
        raise UserError(
            fault("optimizer.name", name, f"one of {', '.join(sorted(classes))}", did_you_mean(name, classes))
        )
    return wanted


def _own(path: str) -> type:
    """The optimizer of a dotted path ``package.module:Name``."""
    from transferkit.keras3 import keras

    wanted = import_dotted(path, "optimizer.name")
    if not (isinstance(wanted, type) and issubclass(wanted, keras.optimizers.Optimizer)):
        raise UserError(fault("optimizer.name", path, "a class that extends keras.optimizers.Optimizer"))
    return wanted
