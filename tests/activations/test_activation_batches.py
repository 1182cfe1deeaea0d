"""The training data set: every item once an epoch, the order a function of seed and epoch, any start free."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from transferkit.activations.activation_batches import dataset
from transferkit.activations.division import Division
from transferkit.activations.epoch_order import Epochs, epoch_order, epoch_steps
from transferkit.activations.index import digests_of
from transferkit.activations.store import Store

COUNT = 23


@pytest.fixture
def activations(tmp_path):
    store = Store(tmp_path / "store", (2,), "float16")
    digests = digests_of([hashlib.sha256(str(number).encode()).hexdigest() for number in range(COUNT)])
    store.add(digests, np.repeat(np.arange(COUNT, dtype=np.float16)[:, None], 2, 1))
    return SimpleNamespace(rows=np.arange(COUNT), array=store.rows(digests))


def of(size: int) -> Division:
    """Batches of a size, the last one smaller."""
    return Division(size, fills=False)


def read(batches) -> tuple[list, list]:
    pairs = [(x.numpy(), y.numpy()) for x, y in batches]
    return [x for x, _ in pairs], [y for _, y in pairs]


def test_in_order_without_a_seed_and_float32(activations):
    indices = np.array([5, 3, 20, 7, 7])
    x, y = read(dataset(activations, indices, indices * 10, of(2)))
    assert [len(part) for part in x] == [2, 2, 1]
    assert x[0].dtype == np.float32
    np.testing.assert_array_equal(np.concatenate(x)[:, 0], indices)
    np.testing.assert_array_equal(np.concatenate(y), indices * 10)


def test_an_epoch_has_every_item_once_with_its_own_label(activations):
    x, y = read(dataset(activations, np.arange(COUNT), np.arange(COUNT), of(4), Epochs(0, 3, seed=1)))
    np.testing.assert_array_equal(np.concatenate(x)[:, 0], np.concatenate(y))
    labels = np.concatenate(y).reshape(3, COUNT)
    for epoch in range(3):
        assert sorted(labels[epoch]) == list(range(COUNT))
        np.testing.assert_array_equal(labels[epoch], epoch_order(COUNT, 1, epoch))
    assert len({tuple(epoch) for epoch in labels}) == 3


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_a_start_in_the_middle_gives_the_very_batches_that_follow(activations, epoch):
    def labels(epochs: Epochs) -> list[np.ndarray]:
        return read(dataset(activations, np.arange(COUNT), np.arange(COUNT), of(4), epochs))[1]

    everything, rest = labels(Epochs(0, 3, seed=9)), labels(Epochs(epoch, 3 - epoch, seed=9))
    skipped = epoch * epoch_steps(COUNT, 4)
    assert len(rest) == len(everything) - skipped
    for one, other in zip(everything[skipped:], rest, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_thread_tunes_what_is_chosen(activations):
    batches = dataset(activations, np.arange(4), np.arange(4), of(2)).map(lambda x, y: (x, y))
    assert batches.options().autotune.enabled is False


def test_for_ever(activations):
    batches = dataset(activations, np.arange(COUNT), np.arange(COUNT), of(10), Epochs(count=None, seed=0))
    assert batches.element_spec[0].shape.as_list() == [None, 2]
    assert sum(1 for _ in batches.take(50)) == 50


def test_the_length_of_a_batch_is_known_where_all_are_whole(activations):
    batches = dataset(activations, np.arange(20), np.arange(20), of(10))
    assert batches.element_spec[0].shape == (10, 2)
    assert len(list(batches)) == 2


def test_soft_labels_and_weights_of_what_fills_up_go_along(activations):
    labels = np.eye(COUNT, dtype=np.float32)
    seen = []
    for x, y, w in dataset(activations, np.arange(COUNT), labels, Division(6), Epochs(seed=3)):
        np.testing.assert_array_equal(np.argmax(y, 1), x[:, 0])
        seen.extend(x.numpy()[w.numpy() > 0, 0])
    assert sorted(seen) == list(range(COUNT))


def test_it_feeds_several_steps_of_one_graph(activations):
    iterator = iter(dataset(activations, np.arange(COUNT), np.arange(COUNT), of(5), Epochs(count=None)))

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
        x, y = read(dataset(views, np.arange(11), np.arange(11), of(4), Epochs(epoch, seed=2)))
        values, labels = np.concatenate(x)[:, 0], np.concatenate(y)
        assert (values // 2 == labels).all()
        seen.append(tuple((values % 2)[np.argsort(labels)]))
    assert len(set(seen)) == 4


def test_faults_are_said_at_once(activations):
    lost = SimpleNamespace(rows=np.array([0, -1]), array=activations.array)
    with pytest.raises(IndexError, match="unreadable"):
        dataset(lost, [0, 1], [0, 0], of(2))
    with pytest.raises(ValueError, match="lengths"):
        dataset(activations, [0, 1], [0], of(2))
    with pytest.raises(ValueError, match="no batch"):
        dataset(activations, [], [], of(3))


def test_the_parts_of_several_workers_are_every_batch_of_one():
    """Also where a worker has none of a batch, or of all."""
    rng = np.random.default_rng(4)
    features = rng.standard_normal((23, 4)).astype(np.float32)
    labels = np.arange(23)
    owner = np.where(np.arange(23) == 7, 1, 0)
    shuffled = Epochs(seed=1)
    source = SimpleNamespace(rows=np.arange(23), array=features)
    whole = list(dataset(source, labels, labels, of(5), shuffled))
    parts = []
    for worker in range(3):
        mine = owner == worker
        kept = np.full(23, -1)
        kept[mine] = np.arange(mine.sum())
        source = SimpleNamespace(rows=kept, array=features[mine])
        parts.append(list(dataset(source, labels, labels, of(5), shuffled, mine=mine)))
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
