"""A receiver of features and labels, made after an input_fn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transferkit.estimator.eager import runs_eagerly
from transferkit.estimator.inputs.call import call_input_fn, signature_of
from transferkit.estimator.inputs.serving import (
    SupervisedInputReceiver,
    build_raw_supervised_input_receiver_fn,
)
from transferkit.estimator.run_config import RunConfig

__all__ = ["build_supervised_input_receiver_fn_from_input_fn"]


@runs_eagerly
def build_supervised_input_receiver_fn_from_input_fn(
    input_fn: Callable[..., Any], **input_fn_args: Any
) -> Callable[[], SupervisedInputReceiver]:
    """A receiver of what ``input_fn`` gives, for exports of training and evaluation.

    Args:
        input_fn: gives features and labels, or a Dataset of both; it is called once, here.
        input_fn_args: what it is called with.
    """
    data, labelled = call_input_fn(lambda: input_fn(**input_fn_args), "", {}, RunConfig())
    features, labels = signature_of(data.element_spec, labelled)
    return build_raw_supervised_input_receiver_fn(features, labels)
