"""Words of the user's own by dotted path: optimizers, schedules, losses and heads."""

from __future__ import annotations

import sys

import pytest

from transferkit.errors import UserError
from transferkit.optimizers import make_optimizer
from transferkit.recipe import admit_code, load
from transferkit.schedules import Span, make_schedule, rates

MODULE = '''
import keras
from pydantic import Field

from transferkit.schedules import Schedule


class Halved(keras.optimizers.SGD):
    """Descends at half the rate."""

    def __init__(self, learning_rate=0.01, share=0.5, **rest):
        super().__init__(learning_rate=learning_rate, **rest)
        self.share = share

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate * self.share)


class Sawtooth(Schedule):
    """Down to zero over every length, then up again."""

    length: float = Field(4, gt=0)

    def rate(self, step, span):
        return span.base * (1 - step % self.length / self.length)
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_words.py").write_text(MODULE)
    yield
    sys.modules.pop("own_words", None)


def test_an_optimizer_of_ones_own_takes_its_arguments_schedule_and_groups(own):
    from transferkit.keras3 import keras

    text = "optimizer={name='own_words:Halved', learning_rate=0.1, share=0.25}"
    (phase,) = admit_code(load(overrides=[text, "gradient_clipping=1.0"])).resolved_phases
    variable = keras.Variable(1.0, name="moved")
    optimizer = make_optimizer(phase, multipliers={variable.path: 0.5})
    optimizer.build([variable])
    optimizer.apply([0.8], [variable])
    assert float(variable) == pytest.approx(1 - 0.8 * 0.1 * 0.25 * 0.5)
    assert load(overrides=[text]).to_toml().count("own_words:Halved") == 1


def test_a_schedule_of_ones_own(own):
    recipe = admit_code(load(overrides=["schedule={kind='own_words:Sawtooth', length=2}", "steps=4"]))
    found = rates(make_schedule(recipe.schedule), Span(0.1, 4, 2))
    assert found.tolist() == pytest.approx([0.1, 0.05, 0.1, 0.05])
    with pytest.raises(UserError, match=r"schedule\.length"):
        admit_code(load(overrides=["schedule={kind='own_words:Sawtooth', length=-1}"]))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("own_words:Missing", "package.module:Name"),
        ("nowhere:Halved", "No module named 'nowhere'"),
        ("own_words:Sawtooth", "extends keras.optimizers.Optimizer"),
    ],
)
def test_what_is_none_is_said(own, name, part):
    with pytest.raises(UserError, match=part):
        make_optimizer(admit_code(load(overrides=[f"optimizer.name='{name}'"])).resolved_phases[0])


def test_arguments_that_it_does_not_take_are_said(own):
    (phase,) = admit_code(load(overrides=["optimizer={name='own_words:Halved', shrae=1.0}"])).resolved_phases
    with pytest.raises(UserError, match="shrae"):
        make_optimizer(phase)
    with pytest.raises(UserError, match="say it with gradient_clipping"):
        load(overrides=["optimizer={name='own_words:Halved', clipnorm=1.0}"])
