"""Iterators end beside what follows, but for those that leave something outside."""

from __future__ import annotations

import gc
import time
import weakref

import pytest
import tensorflow as tf

from transferkit.estimator import Estimator
from transferkit.estimator.inputs import iterators as releasing
from transferkit.estimator.inputs.iterators import as_it_is, leaves_nothing, opened, release
from transferkit.estimator.loops.stepping import Batches

Dataset = tf.data.Dataset


def numbers():
    yield from range(9)


PLAIN = {
    "slices": lambda: Dataset.from_tensor_slices([1, 2]).shuffle(2).repeat().batch(2).prefetch(1),
    "mapped": lambda: Dataset.range(3).map(lambda x: tf.cond(x > 1, lambda: x, lambda: -x)),
    "interleaved": lambda: Dataset.range(3).interleave(Dataset.range),
    "cache in memory": lambda: Dataset.range(3).cache().repeat(),
    "records": lambda: tf.data.TFRecordDataset(["a"]),
}
OUTSIDE = {
    "cache": lambda: Dataset.range(3).cache("file").repeat(),
    "cache below": lambda: Dataset.range(3).interleave(lambda n: Dataset.range(n).cache("file")),
    "generator": lambda: Dataset.from_generator(numbers, output_signature=tf.TensorSpec([], tf.int32)),
    "python": lambda: Dataset.range(3).map(lambda x: tf.py_function(lambda y: y, [x], tf.int64)),
    "python in a branch": lambda: Dataset.range(3).map(
        lambda x: tf.cond(x > 1, lambda: tf.numpy_function(lambda y: y, [x], tf.int64), lambda: x)
    ),
    "zipped": lambda: Dataset.zip((Dataset.range(3), Dataset.range(3).cache("file"))),
}


@pytest.mark.parametrize("kind", sorted(PLAIN))
def test_pipelines_of_their_own_memory(kind):
    assert leaves_nothing(PLAIN[kind]())


@pytest.mark.parametrize("kind", sorted(OUTSIDE))
def test_pipelines_with_something_outside_are_waited_for(kind):
    assert not leaves_nothing(OUTSIDE[kind]())


def test_an_unknown_kind_of_dataset_is_waited_for():
    assert not leaves_nothing(object())


def test_what_is_released_goes_elsewhere():
    class Slow:
        def __del__(self):
            time.sleep(0.2)

    thing = Slow()
    gone, holder = weakref.ref(thing), [thing]
    del thing
    start = time.perf_counter()
    release(holder)
    assert time.perf_counter() - start < 0.1
    while gone() is not None or holder:
        assert time.perf_counter() - start < 5
        time.sleep(0.01)


def test_a_closed_iterator_is_held_by_nobody():
    batches = Batches(Dataset.range(3))
    gone = weakref.ref(batches.iterator)
    batches.take()
    batches.close()
    end = time.perf_counter() + 5
    while gone() is not None:
        assert time.perf_counter() < end
        time.sleep(0.01)


def test_an_unfinished_cache_in_a_file_can_be_opened_by_the_next_call(tf1_model, arrays, tmp_path):
    def data():
        batches = Dataset.from_tensor_slices(({"x": arrays[0]}, arrays[1])).batch(4)
        return batches.cache(str(tmp_path / "cache"))

    estimator = Estimator(tf1_model, str(tmp_path / "model"), params={})
    for _ in range(4):
        estimator.train(data, steps=2)
        estimator.evaluate(data, steps=2)
    gc.collect()
    assert estimator.evaluate(data)["global_step"] == 8
    assert list(tmp_path.glob("cache.index"))


def options_of(variant):
    """The options that the pipeline itself has."""
    return Dataset._options_tensor_to_options(tf.raw_ops.GetOptions(input_dataset=variant))


def test_a_pipeline_without_functions_is_opened_as_it_is():
    dataset = PLAIN["slices"]()
    assert options_of(dataset._variant_tensor).experimental_optimization.apply_default_optimizations is None
    options = options_of(as_it_is(dataset))
    assert options.experimental_optimization.apply_default_optimizations is False
    batches = opened(dataset)
    assert sorted(value for _ in range(2) for value in next(batches).numpy()) == [1, 1, 2, 2]
    assert batches.element_spec == dataset.element_spec


def test_the_end_of_a_pipeline_that_is_opened_as_it_is():
    assert [int(value) for value in opened(Dataset.range(3))] == [0, 1, 2]


@pytest.mark.parametrize("name", ["mapped", "interleaved"])
def test_functions_of_users_are_optimised_as_ever(name, monkeypatch):
    monkeypatch.setattr(releasing, "as_it_is", lambda dataset: pytest.fail("told not to be rewritten"))
    dataset = PLAIN[name]()
    assert [int(value) for value in opened(dataset)] == [int(value) for value in dataset]


def test_what_a_user_has_said_of_optimisation_stays(monkeypatch):
    monkeypatch.setattr(releasing, "as_it_is", lambda dataset: pytest.fail("told not to be rewritten"))
    asked = tf.data.Options()
    asked.experimental_optimization.apply_default_optimizations = True
    assert next(opened(PLAIN["slices"]().with_options(asked))).shape == [2]


def test_a_user_s_other_options_stay():
    threads = tf.data.Options()
    threads.threading.private_threadpool_size = 3
    options = options_of(as_it_is(PLAIN["slices"]().with_options(threads)))
    assert options.experimental_optimization.apply_default_optimizations is False
    assert options.threading.private_threadpool_size == 3
