"""The figures that a recipe may name are those that evaluations give, no more and no fewer."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from transferkit.evaluation import evaluate
from transferkit.evaluation.gates import parse
from transferkit.recipe import metrics
from transferkit.recipe.metrics import STEERING, less_is_better, metric_fault, metric_names

CLASSES = ("cat", "dog", "fox", "owl")


def evaluation(multi_label: bool):
    rng = np.random.default_rng(0)
    probabilities = rng.random((40, 4), np.float32)
    if multi_label:
        return evaluate(rng.integers(0, 2, (40, 4)), probabilities, CLASSES, resamples=0)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return evaluate(rng.integers(0, 4, 40), probabilities, CLASSES, top=(2, 3), resamples=0)


def test_docstring_examples():
    assert doctest.testmod(metrics).failed == 0


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_names_are_the_evaluations_own(multi_label):
    given = {name for name in evaluation(multi_label).metrics if not name.startswith("top_")} - {"samples"}
    assert set(metric_names(multi_label)) - {"loss"} == given
    for name in given:
        assert metric_fault(name, multi_label, CLASSES) is None


def test_the_directions_are_those_of_the_gates():
    for name in sorted({*metric_names(), *metric_names(True)} - set(STEERING)):
        from transferkit.evaluation import gates

        assert less_is_better(name) == (name in gates._LESS_IS_BETTER)
        assert parse({name: 0.5})


@pytest.mark.parametrize(
    ("name", "classes", "fine"),
    [
        ("top_3_accuracy", CLASSES, True),
        ("top_4_accuracy", CLASSES, False),
        ("top_1_accuracy", None, False),
        ("recall.owl", CLASSES, True),
        ("recall.cow", CLASSES, False),
        ("recall.cow", None, True),
        ("brier.owl", CLASSES, False),
        ("hamming_accuracy", CLASSES, False),
        ("", None, False),
    ],
)
def test_numbers_and_classes(name, classes, fine):
    assert (metric_fault(name, classes=classes) is None) == fine
