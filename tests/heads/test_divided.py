"""Ridge regression from sums that workers add up is that of one machine."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from transferkit.heads import Divided, Known
from transferkit.heads.ridge import Ridge

COUNT, WIDTH, CLASSES = 120, 8, 3


class Sums:
    """What workers, each a thread here, add up."""

    def __init__(self, workers):
        self._barrier, self._parts, self._workers = threading.Barrier(workers), {}, workers

    def of(self, worker):
        def total(array):
            self._parts[worker] = array
            self._barrier.wait(30)
            summed = sum(self._parts[number] for number in range(self._workers))
            self._barrier.wait(30)
            return summed

        return total


@pytest.mark.parametrize("normalise", [False, True])
def test_unequal_parts_one_of_them_empty_and_a_class_missing(normalise):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, COUNT)
    features = (rng.standard_normal((COUNT, WIDTH)) + labels[:, None]).astype(np.float32)
    groups = np.arange(COUNT)
    groups[5] = groups[4]
    levels = {"features": WIDTH}
    head = Ridge(normalise=normalise)
    expected = head.fit(features, labels, CLASSES, 0, None, Known(groups, levels))
    owner = np.where(labels == 2, 0, rng.integers(0, 2, COUNT))
    sums, found = Sums(3), {}

    def work(worker):
        places = np.flatnonzero(owner == worker)
        known = Known(groups, levels, divided=Divided(places, sums.of(worker)))
        found[worker] = head.fit(features[places], labels, CLASSES, 0, None, known)

    threads = [threading.Thread(target=work, args=[worker]) for worker in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for worker in range(3):
        for one, other in zip(found[worker], expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
