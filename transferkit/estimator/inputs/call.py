"""What an input_fn gives, as batches: a Dataset, or features and labels as they are."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.graph.calling import arguments, saying_what_to_use
from transferkit.estimator.graph.identity import compare_by_identity, inside_input_fn
from transferkit.estimator.inputs.session_inputs import NeedsGraph, noticing_iterators, through_session
from transferkit.private.tensorflow_attributes import global_seed
from transferkit.type_names import Tensors

__all__ = ["call_input_fn", "seeded", "signature_of", "without_placeholder"]

# Stands for features where a model has none: a dataset has at least one tensor.
_NOTHING = "transferkit/nothing"

# TensorFlow's seed of a graph that was given none.
_UNSEEDED = 87654321


@contextlib.contextmanager
def seeded(seed: int | None, chance: int = 0) -> Iterator[None]:
    """Sets TensorFlow's seed for a while, so that a shuffle without a seed of its own is repeatable.

    Args:
        seed: the seed; None is as no seed: an operation's own seed alone settles what it draws.
        chance: what operations without any seed follow from, where ``seed`` is None.
    """
    given = (_UNSEEDED, random.Random(chance)) if seed is None else (seed, random.Random(seed))
    with global_seed(*given):
        yield


def call_input_fn(
    input_fn: Callable[..., Any], mode: str, params: Any, config: Any, input_context: Any = None
) -> tuple[tf.data.Dataset, bool]:
    """Calls ``input_fn`` with those of mode, params, config and input_context that it takes.

    Args:
        input_fn: of the user.
        mode: a value of ModeKeys.
        params: the Estimator's.
        config: the Estimator's RunConfig.
        input_context: of the replica, with a distribution strategy.

    Returns:
        A dataset of ``(features, labels)`` or ``features`` alone, and whether it has labels.

    Raises:
        ValueError: where it gives neither a Dataset nor features and labels.
    """
    compare_by_identity()
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
            return _endless(features), False
        return _endless((features, labels)), True
    if result is None:
        raise ValueError(fault("input_fn", None, "a Dataset, or features and labels", "received None"))
    return _endless(result), False


def _endless(batch: Any) -> tf.data.Dataset:
    """The same batch again and again."""
    if not tf.nest.flatten(batch):
        # No tensor at all, for a model that draws its own data: a dataset needs one, which nobody asks for.
        pair = isinstance(batch, tuple) and len(batch) == 2
        batch = ({_NOTHING: 0}, batch[1]) if pair else {_NOTHING: 0}
    return tf.data.Dataset.from_tensors(_listed(batch)).repeat()


def _listed(batch: Any) -> Any:
    """``batch`` with its lists of arrays as tuples: a dataset would stack them into one tensor."""
    if isinstance(batch, dict):
        return {name: _listed(value) for name, value in batch.items()}
    if type(batch) is tuple:
        return tuple(map(_listed, batch))
    if isinstance(batch, list) and any(tf.is_tensor(one) or isinstance(one, np.ndarray) for one in batch):
        return tuple(map(_listed, batch))
    return batch


def _result(call: Callable[[], Any], config: Any) -> Any:
    try:
        with noticing_iterators(), inside_input_fn(), saying_what_to_use():
            return call()
    except NeedsGraph:
        return through_session(call, config.tf_random_seed)
    except RuntimeError as error:
        # Queues and placeholders say so themselves.
        if "eager" not in str(error).lower():
            raise
        return through_session(call, config.tf_random_seed)


def _labelled(spec: Any) -> bool:
    # A named tuple of two is features and labels too.
    if isinstance(spec, tuple):
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


def without_placeholder(features: Tensors) -> Any:
    """The features as input_fn gave them, where it gave none at all."""
    return {} if isinstance(features, dict) and set(features) == {_NOTHING} else features


def signature_of(spec: Any, labelled: bool) -> Any:
    """``(features, labels)`` as specs, whatever form the dataset's elements have."""
    return (spec[0], spec[1]) if labelled else (spec, None)
