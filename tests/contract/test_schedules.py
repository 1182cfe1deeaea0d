"""What holds for every schedule; a new one is covered by being in the folder."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest

from transferkit.registry import registry
from transferkit.schedules import Schedule, Span, as_keras, make_schedule, rates

NAMES = registry("schedules").names()
SPAN = Span(base=0.01, steps=57, steps_per_epoch=10)
# Arguments that make a schedule move within the span, where its defaults would not.
MOVING = {
    "piecewise_constant": {"boundaries": (5, 20.0), "values": (1e-2, 1e-3, 1e-5)},
    "exponential": {"every": 3},
}


def make(name: str, **more: object) -> Schedule:
    return make_schedule({"kind": name, **MOVING.get(name, {}), **more})


def test_all_are_found():
    wanted = {
        "constant",
        "piecewise_constant",
        "exponential",
        "polynomial",
        "cosine",
        "one_cycle",
        "step_on_plateau",
    }
    assert wanted <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_rates_are_finite_and_not_below_zero(name):
    found = rates(make(name, warmup=4), SPAN)
    assert found.shape == (57,)
    assert np.all(np.isfinite(found))
    assert np.all(found >= 0)
    assert found.max() <= 0.01 + 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_pure_function_of_the_step(name):
    schedule = make(name)
    forward = [schedule.value(step, SPAN) for step in range(57)]
    backward = [schedule.value(step, SPAN) for step in reversed(range(57))]
    assert forward == backward[::-1]


@pytest.mark.parametrize("name", NAMES)
def test_warmup_rises_evenly_to_the_schedule(name):
    schedule = make(name, warmup=10)
    rising = [schedule.value(step, SPAN) for step in range(11)]
    np.testing.assert_allclose(np.diff(rising), rising[-1] / 11, rtol=1e-9)
    assert rising[10] == schedule.rate(10, SPAN)
    in_epochs = make_schedule({"kind": "constant", "unit": "epochs", "warmup": 1})
    assert rates(in_epochs, SPAN).tolist() == rates(make("constant", warmup=10), SPAN).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_keras_gets_the_very_values(name):
    schedule = make(name, warmup=3)
    keras_schedule = as_keras(schedule, SPAN, first_step=100)
    wanted = rates(schedule, SPAN).astype(np.float32)
    read = [float(keras_schedule(100 + step)) for step in range(57)]
    assert read == wanted.tolist()
    assert float(keras_schedule(0)) == wanted[0]
    assert float(keras_schedule(9999)) == wanted[-1]


@pytest.mark.parametrize("name", NAMES)
def test_its_doctest_shows_its_formula(name):
    module = importlib.import_module(f"transferkit.schedules.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", NAMES)
def test_phases_of_one_step_and_one_epoch_work(name):
    for steps in (1, 2):
        found = rates(make_schedule({"kind": name}), Span(1e-3, steps, 1))
        assert len(found) == steps
        assert np.all(np.isfinite(found))
