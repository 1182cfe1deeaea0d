"""What an input_fn gives, as batches: a Dataset, or features and labels as they are."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context as eager_context

from transferkit.errors import fault
from transferkit.estimator.calling import arguments
from transferkit.estimator.session_inputs import NeedsGraph, noticing_iterators, through_session

__all__ = ["call_input_fn", "seeded", "signature_of"]


@contextlib.contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Sets TensorFlow's seed for a while, so that a shuffle without a seed of its own is repeatable."""
    if seed is None:
        yield
        return
    here = eager_context.context()
    before = here._seed, getattr(here, "_rng", None)
    # tf.random.set_seed would besides throw away every compiled kernel, the training step's among them.
    here._seed, here._rng = seed, random.Random(seed)
    try:
        yield
    finally:
        here._seed, here._rng = before


def call_input_fn(
    input_fn: Callable[..., Any], mode: str, params: Any, config: Any, input_context: Any = None
) -> tuple[tf.data.Dataset, bool]:
    """Calls ``input_fn`` with those of mode, params, config and input_context that it takes.

    Returns:
        A dataset of ``(features, labels)`` or ``features`` alone, and whether it has labels.

    Raises:
        ValueError: where it gives neither a Dataset nor features and labels.
    """
    names = arguments(input_fn)
    given = {"mode": mode, "params": params, "config": config, "input_context": input_context}
    result = _result(
        lambda: input_fn(**{name: value for name, value in given.items() if name in names}), config
    )
    if isinstance(result, tf.data.Dataset):
        return result, _labelled(result.element_spec)
    if isinstance(result, (list, tuple)):
        if len(result) != 2:
            raise ValueError(fault("input_fn", f"{len(result)} values", "a Dataset, or features and labels"))
        features, labels = result
        if labels is None:
            return tf.data.Dataset.from_tensors(features).repeat(), False
        return tf.data.Dataset.from_tensors((features, labels)).repeat(), True
    if result is None:
        raise ValueError(fault("input_fn", None, "a Dataset, or features and labels", "received None"))
    return tf.data.Dataset.from_tensors(result).repeat(), False


def _result(call: Callable[[], Any], config: Any) -> Any:
    try:
        with noticing_iterators():
            return call()
    except NeedsGraph:
        return through_session(call, config.tf_random_seed)
    except RuntimeError as error:
        # Queues and placeholders say so themselves.
        if "eager" not in str(error).lower():
            raise
        return through_session(call, config.tf_random_seed)


def _labelled(spec: Any) -> bool:
    if isinstance(spec, tuple) and not hasattr(spec, "_fields"):
        if len(spec) != 2:
            raise ValueError(
                fault(
                    "input_fn",
                    f"a Dataset of {len(spec)} parts",
                    "a Dataset of (features, labels) or features",
                )
            )
        return True
    return False


def signature_of(spec: Any, labelled: bool) -> Any:
    """``(features, labels)`` as specs, whatever form the dataset's elements have."""
    return (spec[0], spec[1]) if labelled else (spec, None)
