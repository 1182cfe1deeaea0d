"""Made-up predictions of a model that is right more often than not."""

from __future__ import annotations

import numpy as np
import pytest


def softmax(logits):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.fixture
def predicted():
    """A function: (samples, classes, seed) -> labels int [N], probabilities float32 [N, C], logits."""

    def make(samples=400, classes=5, seed=0, strength=2.0):
        rng = np.random.default_rng(seed)
        labels = rng.choice(classes, size=samples, p=np.arange(1, classes + 1) / sum(range(1, classes + 1)))
        logits = rng.normal(size=(samples, classes))
        logits[np.arange(samples), labels] += strength
        return labels, softmax(logits).astype(np.float32), logits

    return make
