"""Predictions, one example or one batch at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.eager import runs_eagerly
from transferkit.estimator.engine import Engine
from transferkit.estimator.inputs.call import call_input_fn, seeded, signature_of
from transferkit.estimator.loops.stepping import Batches
from transferkit.estimator.session.hooks import HookRunner
from transferkit.estimator.spec import ModeKeys
from transferkit.type_names import Tensors

__all__ = ["predict"]


@runs_eagerly
def predict(
    engine: Engine,
    input_fn: Callable[..., Any],
    predict_keys: Any,
    hooks: Sequence[Any],
    checkpoint_path: str | None,
    yield_single_examples: bool,
) -> Iterator[Any]:
    """Yields predictions, computed as they are asked for.

    Args:
        engine: of the Estimator.
        input_fn: gives the features.
        predict_keys: which predictions, by name; None for all.
        hooks: SessionRunHooks.
        checkpoint_path: whose values; the newest by default.
        yield_single_examples: give each example by itself rather than batches.
    """
    config = engine.config
    chance = engine.drawn()
    with seeded(config.tf_random_seed, chance):
        dataset, labelled = call_input_fn(input_fn, ModeKeys.PREDICT, engine.params, config)
        if labelled:
            dataset = dataset.map(lambda features, labels: features)
    traced = engine.traced(ModeKeys.PREDICT, signature_of(dataset.element_spec, False))
    predictions = keep_keys(traced.spec.predictions, predict_keys)
    flat = tf.nest.flatten(predictions)
    runner = HookRunner([*hooks, *traced.spec.prediction_hooks], traced)
    with engine.weights_of(checkpoint_path, traced):
        engine.begin(traced, untrained=checkpoint_path is None)
        runner.begin()
        runner.created()
    with seeded(config.tf_random_seed, chance):
        batches = Batches(dataset)
    for number in itertools.count():
        # The weights are the named checkpoint's while a batch is computed, and no longer: between two
        # batches the caller may train.
        with engine.weights_of(checkpoint_path, traced):
            asked = runner.ask(flat)
            batch = batches.take()
            if batch is None:
                break
            outputs = runner.run(asked, [tf.constant(chance + number, tf.int64), *batch])
        arrays = [t.numpy() for t in outputs]
        if not yield_single_examples:
            yield tf.nest.pack_sequence_as(predictions, arrays)
        else:
            yield from _examples(predictions, arrays)
        if runner.stop:
            break
    batches.close()
    runner.end()


def _examples(structure: Any, arrays: list[Any]) -> Iterator[Any]:
    sizes = {array.shape[0] if array.ndim else -1 for array in arrays}
    if -1 in sizes or len(sizes) != 1:
        raise ValueError(
            fault(
                "predictions",
                [array.shape for array in arrays],
                "the same batch length for all when predictions are yielded one by one",
                "pass yield_single_examples=False",
            )
        )
    for row in range(sizes.pop()):
        yield tf.nest.pack_sequence_as(structure, [array[row] for array in arrays])


def keep_keys(predictions: Tensors, keys: Any) -> Any:
    """The predictions under ``keys``.

    Raises:
        ValueError: where none of them is there, or predictions are no dictionary.
    """
    if not keys:
        return predictions
    if not isinstance(predictions, dict):
        raise ValueError(fault("predict_keys", keys, "None, as predictions are not a dictionary"))
    kept = {key: value for key, value in predictions.items() if key in keys}
    if not kept:
        raise ValueError(fault("predict_keys", keys, "some of " + ", ".join(map(repr, predictions))))
    return kept
