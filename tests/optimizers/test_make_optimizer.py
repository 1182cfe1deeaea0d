"""From a phase to a Keras optimizer."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from transferkit.errors import UserError
from transferkit.keras3 import keras
from transferkit.optimizers import make_optimizer
from transferkit.recipe import load
from transferkit.recipe.keras_optimizers import constructors


def phase(*overrides: str):
    return load("retrain", overrides).resolved_phases[0]


def stepped(optimizer, gradients: list[list[float]], start: float = 1.0) -> list[float]:
    weights = [keras.Variable([start], name=f"w{number}") for number in range(len(gradients[0]))]
    optimizer.build(weights)
    for step in gradients:
        optimizer.apply([tf.constant([one]) for one in step], weights)
    return [float(weight[0]) for weight in weights]


@pytest.mark.parametrize("name", sorted(constructors()))
def test_every_optimizer_of_keras_steps(name):
    optimizer = make_optimizer(phase(f"optimizer={name}"))
    assert type(optimizer).__name__.lower() == name.replace("_", "")
    found = stepped(optimizer, [[0.5], [0.5]])
    assert np.isfinite(found[0])
    assert found[0] != 1.0


def test_arguments_reach_the_constructor():
    optimizer = make_optimizer(
        phase("optimizer={name='sgd', momentum=0.9, nesterov=true, learning_rate=0.5}")
    )
    assert (optimizer.momentum, optimizer.nesterov, float(optimizer.learning_rate)) == (0.9, True, 0.5)


@pytest.mark.parametrize(
    ("clipping", "wanted"),
    [("1.0", [1 - 0.6, 1 - 0.8]), ("{norm=1.0}", [0.0, 0.0]), ("{value=2.0}", [-1.0, -1.0])],
)
def test_clipping(clipping, wanted):
    optimizer = make_optimizer(
        phase("optimizer={name='sgd', learning_rate=1.0}", f"gradient_clipping={clipping}")
    )
    np.testing.assert_allclose(stepped(optimizer, [[3.0, 4.0]]), wanted, atol=1e-6)


def test_accumulated_batches_make_one_update_of_their_mean():
    optimizer = make_optimizer(phase("optimizer={name='sgd', learning_rate=1.0}", "accumulation=2"))
    assert stepped(optimizer, [[1.0]]) == [1.0]
    optimizer = make_optimizer(phase("optimizer={name='sgd', learning_rate=1.0}", "accumulation=2"))
    np.testing.assert_allclose(stepped(optimizer, [[1.0], [3.0]]), [-1.0])


def test_ema_puts_the_average_in_place_at_the_end():
    optimizer = make_optimizer(phase("optimizer={name='sgd', learning_rate=1.0}", "ema=0.5"))
    weight = keras.Variable([1.0])
    optimizer.build([weight])
    for _ in range(2):
        optimizer.apply([tf.constant([1.0])], [weight])
    assert float(weight[0]) == -1.0
    optimizer.finalize_variable_values([weight])
    assert -1.0 < float(weight[0]) < 1.0


@pytest.mark.parametrize("name", ["sgd", "adam", "lion"])
def test_multipliers_share_the_learning_rate(name):
    chosen = phase(f"optimizer={{name='{name}', learning_rate=0.1}}")
    weights = [keras.Variable([1.0], name=one) for one in ("slow", "frozen", "full")]
    shares = {weights[0].path: 0.25, weights[1].path: 0.0}
    optimizer = make_optimizer(chosen, multipliers=shares)
    optimizer.build(weights)
    optimizer.apply([tf.constant([2.0])] * 3, weights)
    moved = [1.0 - float(weight[0]) for weight in weights]
    np.testing.assert_allclose(moved[0], 0.25 * moved[2], rtol=1e-4)
    assert moved[1] == 0
    assert type(optimizer).__name__.lower() == name


def test_multipliers_of_one_change_nothing():
    plain = make_optimizer(phase())
    assert type(make_optimizer(phase(), multipliers={"w": 1.0})) is type(plain)


def test_an_argument_that_keras_refuses():
    with pytest.raises(UserError, match="optimizer"):
        make_optimizer(phase("optimizer={name='sgd', momentum=7}"))


def test_a_whole_number_is_a_rate():
    """Keras itself refuses it."""
    assert float(make_optimizer(phase("optimizer={name='sgd', learning_rate=1}")).learning_rate) == 1
