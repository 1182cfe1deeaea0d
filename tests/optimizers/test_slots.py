"""An optimizer that goes on with carried moments does what one that never stopped would have done."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.errors import UserError
from transferkit.keras3 import keras
from transferkit.optimizers import Slots, make_optimizer
from transferkit.recipe import load

GRADIENTS = [0.5, -0.2, 0.9, 0.1, -0.7, 0.3, 0.25, -0.4]


def optimizer_of(name: str, carries: bool = False):
    options = "momentum=0.9, " if name == "sgd" else ""
    (phase,) = load("retrain", [f"optimizer={{name='{name}', {options}learning_rate=0.01}}"]).resolved_phases
    return make_optimizer(phase, carries=carries)


def step(optimizer, variables, gradient: float) -> None:
    @tf.function
    def apply():
        optimizer.apply([tf.constant(gradient) * (place + 1) for place in range(len(variables))], variables)

    apply()


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop", "lion", "adagrad"])
def test_two_halves_make_the_whole(name, tmp_path):
    def variables():
        return [keras.Variable(1.0, name="one"), keras.Variable(-2.0, name="other")]

    whole, halves = variables(), variables()
    optimizer = optimizer_of(name)
    optimizer.build(whole)
    for gradient in GRADIENTS:
        step(optimizer, whole, gradient)

    first = optimizer_of(name)
    slots = Slots(first, halves)
    for gradient in GRADIENTS[:4]:
        step(first, halves, gradient)
    slots.write(tmp_path / "moments.npz")
    second = optimizer_of(name, carries=True)
    # The variables of the next phase stand in another order.
    swapped = halves[::-1]
    Slots(second, swapped).read(tmp_path / "moments.npz", halves)
    for gradient in GRADIENTS[4:]:

        @tf.function
        def apply(gradient=gradient):
            second.apply([tf.constant(2 * gradient), tf.constant(gradient)], swapped)

        apply()
    assert [float(one) for one in halves] == [float(one) for one in whole]
    assert int(second.iterations) == 4, "the phase counts its own steps"


def test_a_variable_that_begins_now_moves_as_in_its_first_step(tmp_path):
    old, new, alone = keras.Variable(1.0), keras.Variable(1.0), keras.Variable(1.0)
    first = optimizer_of("adam")
    slots = Slots(first, [old])
    for gradient in GRADIENTS:
        step(first, [old], gradient)
    slots.write(tmp_path / "m.npz")
    second = optimizer_of("adam", carries=True)
    Slots(second, [old, new]).read(tmp_path / "m.npz", [old])
    fresh = optimizer_of("adam")
    fresh.build([alone])
    second.apply([tf.constant(0.1), tf.constant(0.3)], [old, new])
    fresh.apply([tf.constant(0.3)], [alone])
    assert float(new) == float(alone)


def test_moments_go_through_several_phases(tmp_path):
    variable = keras.Variable(1.0)
    counts = []
    before = None
    for number in range(3):
        optimizer = optimizer_of("adam", carries=True)
        slots = Slots(optimizer, [variable])
        if before is not None:
            slots.read(before, [variable])
        step(optimizer, [variable], 0.5)
        before = tmp_path / f"{number}.npz"
        slots.write(before)
        counts.append(int(np.load(before)["0/updates"]))
    assert counts == [1, 2, 3]


@pytest.mark.parametrize("name", ["nadam", "adafactor"])
def test_state_that_is_no_single_variables_is_refused(name):
    with pytest.raises(UserError, match="single variables"):
        Slots(optimizer_of(name), [keras.Variable(np.ones((4, 4), np.float32))])
