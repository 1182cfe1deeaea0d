"""The rate that the optimizer has at every step is the one that the recipe says."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.keras3 import keras
from transferkit.optimizers import make_optimizer
from transferkit.recipe import load
from transferkit.schedules import Span, as_keras, make_schedule, rates

PIECEWISE = "schedule={kind='piecewise_constant', boundaries=[3, 7], values=[1e-2, 1e-3, 1e-4]}"


def phase(*overrides: str):
    return load("retrain", overrides).resolved_phases[0]


def optimizer_of(chosen, steps: int, first_step: int = 0):
    span = Span(chosen.optimizer.learning_rate, steps, 5)
    return make_optimizer(chosen, as_keras(make_schedule(chosen.schedule), span, first_step))


def read_back(optimizer, steps: int, per_loop: int = 1) -> list[float]:
    """Trains one weight, ``per_loop`` steps a call, and reads the rate before each step in the graph."""
    weight = keras.Variable(1.0)
    optimizer.build([weight])

    @tf.function
    def loop():
        seen = tf.TensorArray(tf.float32, per_loop)
        for number in tf.range(per_loop):
            seen = seen.write(number, tf.cast(optimizer.learning_rate, tf.float32))
            optimizer.apply([tf.constant(0.5)], [weight])
        return seen.stack()

    return [float(one) for _ in range(steps // per_loop) for one in loop()]


WANTED = [float(np.float32(1e-2))] * 4 + [float(np.float32(1e-3))] * 4 + [float(np.float32(1e-4))] * 4


@pytest.mark.parametrize("per_loop", [1, 4])
@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_piecewise_values_reach_the_optimizer_exactly(name, per_loop):
    optimizer = optimizer_of(phase(PIECEWISE, f"optimizer={name}"), 12)
    assert read_back(optimizer, 12, per_loop) == WANTED


def test_boundaries_in_epochs_change_with_the_first_step_of_the_next():
    in_epochs = (
        "schedule={kind='piecewise_constant', unit='epochs', boundaries=[1, 2], values=[1e-2, 1e-3, 1e-4]}"
    )
    found = rates(make_schedule(phase(in_epochs).schedule), Span(0.5, 15, 5))
    assert found.tolist() == [1e-2] * 5 + [1e-3] * 5 + [1e-4] * 5


def test_a_carried_optimizer_starts_the_next_phase_at_its_beginning():
    optimizer = optimizer_of(phase(PIECEWISE), 12)
    read_back(optimizer, 12)
    carried = optimizer_of(phase(PIECEWISE), 12, first_step=12)
    weight = keras.Variable(1.0)
    carried.build([weight])
    carried.iterations.assign(optimizer.iterations)
    assert float(carried.learning_rate) == WANTED[0]


def test_a_restored_optimizer_goes_on_where_it_was(tmp_path):
    weight = keras.Variable(1.0)
    optimizer = optimizer_of(phase(PIECEWISE), 12)
    optimizer.build([weight])
    for _ in range(5):
        optimizer.apply([tf.constant(0.5)], [weight])
    path = tf.train.Checkpoint(iterations=optimizer.iterations).save(str(tmp_path / "state"))
    other = optimizer_of(phase(PIECEWISE), 12)
    other.build([keras.Variable(1.0)])
    tf.train.Checkpoint(iterations=other.iterations).restore(path).assert_consumed()
    assert float(other.learning_rate) == float(np.float32(1e-3))


def test_a_schedule_that_listens_steps_down_through_its_factor():
    schedule = make_schedule({"kind": "step_on_plateau", "factor": 0.5, "patience": 1})
    keras_schedule = as_keras(schedule, Span(0.01, 100, 10))
    history: list[float] = []
    seen = []
    for loss in (1.0, 0.9, 0.95, 0.8, 0.85, 0.84):
        history.append(loss)
        keras_schedule.factor.assign(schedule.multiplier(history))
        seen.append(float(keras_schedule(50)))
    np.testing.assert_allclose(seen, [0.01, 0.01, 0.005, 0.005, 0.0025, 0.00125], rtol=1e-6)


def test_an_accuracy_is_better_when_it_is_larger():
    schedule = make_schedule({"kind": "step_on_plateau", "metric": "accuracy", "factor": 0.5, "patience": 1})
    assert schedule.multiplier([0.5, 0.6, 0.7], larger_is_better=True) == 1.0
    assert schedule.multiplier([0.5, 0.6, 0.7]) == 0.25
