"""The training data set: every item once an epoch, the order a function of seed and epoch, any start free."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from transferkit.activations.activation_batches import dataset
from transferkit.activations.epoch_order import epoch_order, epoch_steps
from transferkit.activations.index import digests_of
from transferkit.activations.store import Store

COUNT = 23


@pytest.fixture
def activations(tmp_path):
    store = Store(tmp_path / "store", (2,), "float16")
    digests = digests_of([hashlib.sha256(str(number).encode()).hexdigest() for number in range(COUNT)])
    store.add(digests, np.repeat(np.arange(COUNT, dtype=np.float16)[:, None], 2, 1))
    return SimpleNamespace(rows=np.arange(COUNT), array=store.rows(digests))


def read(batches) -> tuple[list, list]:
    pairs = [(x.numpy(), y.numpy()) for x, y in batches]
    return [x for x, _ in pairs], [y for _, y in pairs]


def test_in_order_without_a_seed_and_float32(activations):
    indices = np.array([5, 3, 20, 7, 7])
    x, y = read(dataset(activations, indices, indices * 10, 2))
    assert [len(part) for part in x] == [2, 2, 1]
    assert x[0].dtype == np.float32
    np.testing.assert_array_equal(np.concatenate(x)[:, 0], indices)
    np.testing.assert_array_equal(np.concatenate(y), indices * 10)


def test_an_epoch_has_every_item_once_with_its_own_label(activations):
    x, y = read(dataset(activations, np.arange(COUNT), np.arange(COUNT), 4, seed=1, epochs=3))
    np.testing.assert_array_equal(np.concatenate(x)[:, 0], np.concatenate(y))
    labels = np.concatenate(y).reshape(3, COUNT)
    for epoch in range(3):
        assert sorted(labels[epoch]) == list(range(COUNT))
        np.testing.assert_array_equal(labels[epoch], epoch_order(COUNT, 1, epoch))
    assert len({tuple(epoch) for epoch in labels}) == 3


@pytest.mark.parametrize(("epoch", "step"), [(0, 0), (0, 4), (1, 2), (2, 5)])
def test_a_start_in_the_middle_gives_the_very_batches_that_follow(activations, epoch, step):
    options = {"seed": 9, "batch_size": 4}
    everything = read(dataset(activations, np.arange(COUNT), np.arange(COUNT), epochs=3, **options))[1]
    rest = read(
        dataset(
            activations, np.arange(COUNT), np.arange(COUNT),
            start_epoch=epoch, start_step=step, epochs=3 - epoch, **options,
        )
    )[1]  # fmt: skip
    skipped = epoch * epoch_steps(COUNT, 4) + step
    assert len(rest) == len(everything) - skipped
    for one, other in zip(everything[skipped:], rest, strict=True):
        np.testing.assert_array_equal(one, other)


def test_for_ever_and_with_whole_batches_alone(activations):
    batches = dataset(
        activations, np.arange(COUNT), np.arange(COUNT), 10, seed=0, epochs=None, drop_remainder=True
    )
    assert batches.element_spec[0].shape == (10, 2)
    assert sum(1 for _ in batches.take(50)) == 50


def test_weights_and_soft_labels_go_along(activations):
    labels = np.eye(COUNT, dtype=np.float32)
    weights = np.arange(COUNT) / 2
    for x, y, w in dataset(activations, np.arange(COUNT), labels, 6, seed=3, weights=weights):
        np.testing.assert_array_equal(np.argmax(y, 1), x[:, 0])
        np.testing.assert_array_equal(w * 2, x[:, 0])


def test_it_feeds_several_steps_of_one_graph(activations):
    iterator = iter(dataset(activations, np.arange(COUNT), np.arange(COUNT), 5, epochs=None))

    @tf.function
    def steps(count):
        total = tf.zeros([], tf.int64)
        for _ in tf.range(count):
            total += tf.reduce_sum(next(iterator)[1])
        return total

    assert int(steps(5)) == COUNT * (COUNT - 1) // 2


def test_with_views_each_epoch_draws_its_own(activations):
    views = SimpleNamespace(rows=np.arange(22).reshape(11, 2), array=activations.array)
    seen = []
    for epoch in range(4):
        x, y = read(dataset(views, np.arange(11), np.arange(11), 4, seed=2, start_epoch=epoch))
        values, labels = np.concatenate(x)[:, 0], np.concatenate(y)
        assert (values // 2 == labels).all()
        seen.append(tuple((values % 2)[np.argsort(labels)]))
    assert len(set(seen)) == 4


def test_faults_are_said_at_once(activations):
    lost = SimpleNamespace(rows=np.array([0, -1]), array=activations.array)
    with pytest.raises(IndexError, match="unreadable"):
        dataset(lost, [0, 1], [0, 0], 2)
    with pytest.raises(ValueError, match="lengths"):
        dataset(activations, [0, 1], [0], 2)
    with pytest.raises(ValueError, match="no batch"):
        dataset(activations, [0, 1], [0, 0], 3, drop_remainder=True)


def test_the_parts_of_several_workers_are_every_batch_of_one():
    """Also where a worker has none of a batch, or of all."""
    rng = np.random.default_rng(4)
    features = rng.standard_normal((23, 4)).astype(np.float32)
    labels = np.arange(23)
    owner = np.where(np.arange(23) == 7, 1, 0)
    whole = list(dataset(SimpleNamespace(rows=np.arange(23), array=features), labels, labels, 5, seed=1))
    parts = []
    for worker in range(3):
        mine = owner == worker
        kept = np.full(23, -1)
        kept[mine] = np.arange(mine.sum())
        source = SimpleNamespace(rows=kept, array=features[mine])
        parts.append(list(dataset(source, labels, labels, 5, seed=1, mine=mine)))
    assert [len(part) for part in parts] == [len(whole)] * 3
    for (x, y), *own in zip(whole, *parts, strict=True):
        made, said = np.full_like(x, np.nan), np.full_like(y, -1)
        for features_, labels_, weight, place, length in own:
            assert int(length) == len(y)
            real = weight.numpy() > 0
            assert len(real)
            assert np.isfinite(features_.numpy()).all()
            made[place.numpy()[real]] = features_.numpy()[real]
            said[place.numpy()[real]] = labels_.numpy()[real]
        np.testing.assert_array_equal(made, x)
        np.testing.assert_array_equal(said, y)
