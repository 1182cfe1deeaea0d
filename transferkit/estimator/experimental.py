"""What ``tf.estimator.experimental`` holds of the contract, under the same names."""

from typing import Any as _Any

from transferkit.estimator.early_stopping import (
    make_early_stopping_hook,
    stop_if_higher_hook,
    stop_if_lower_hook,
    stop_if_no_decrease_hook,
    stop_if_no_increase_hook,
)
from transferkit.estimator.graph.calling import call_logit_fn
from transferkit.estimator.inputs.serving import build_raw_supervised_input_receiver_fn
from transferkit.estimator.premade.logit_fns import dnn_logit_fn_builder, linear_logit_fn_builder
from transferkit.estimator.session.in_training import (
    InMemoryEvaluatorHook,
    make_stop_at_checkpoint_step_hook,
)

__all__ = [
    "InMemoryEvaluatorHook",
    "build_raw_supervised_input_receiver_fn",
    "call_logit_fn",
    "dnn_logit_fn_builder",
    "linear_logit_fn_builder",
    "make_early_stopping_hook",
    "make_stop_at_checkpoint_step_hook",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
]


def __getattr__(name: str) -> _Any:
    """Says what to use for a name of tf.estimator.experimental that is not here."""
    from transferkit.estimator.namespace import missing

    hint = None if name.startswith("_") else missing(f"experimental.{name}")
    raise AttributeError(f"transferkit.estimator.experimental has no {name}" + (f": {hint}" if hint else ""))
