"""The trials of a sweep."""

from __future__ import annotations

import pytest

from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.recipe.sweep import trials

RATE = "'optimizer.learning_rate'"


def test_a_grid_has_every_combination():
    recipe = load(overrides=[f"sweep={{values={{{RATE}=[1e-3, 1e-4], seed=[1, 2, 3]}}}}"])
    found = trials(recipe)
    assert len(found) == 6
    assert found[1] == [("optimizer.learning_rate", 1e-3), ("seed", 2)]
    assert load(overrides=found[-1]).optimizer.learning_rate == 1e-4


def test_random_trials_stay_when_there_are_more():
    values = f"{RATE}={{low=1e-5, high=1e-2, log=true}}, batch_size=[8, 16]"
    text = "sweep={{method='random', trials={}, values={{{}}}}}"
    few, more = (trials(load(overrides=[text.format(count, values)])) for count in (5, 40))
    assert more[:5] == few
    rates = [trial[0][1] for trial in more]
    assert all(1e-5 <= rate <= 1e-2 for rate in rates)
    assert 8 <= sum(rate < 10**-3.5 for rate in rates) <= 32
    assert {trial[1][1] for trial in more} == {8, 16}


def test_whole_numbers():
    text = "sweep={method='random', trials=20, values={batch_size={low=4, high=9, whole=true}}}"
    drawn = {trial[0][1] for trial in trials(load(overrides=[text]))}
    assert all(isinstance(one, int) for one in drawn)
    assert drawn <= set(range(4, 10))


def test_no_sweep_is_no_trials():
    assert trials(load()) == []


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("sweep={values={seed=[]}}", "at least 1 item"),
        ("sweep={values={seed={low=2, high=1}}}", "low below high"),
        ("sweep={values={seed={low=0, high=1, log=true}}}", "low above 0"),
        ("sweep={method='gird'}", "did you mean 'grid'?"),
        ("sweep={values={'optimizer.learnin_rate'=[1]}}", "an argument of adam"),
        ("sweep={values={'batch_sice'=[8]}}", "did you mean 'batch_size'"),
        ("sweep={values={'batch_size'=[8, 'many']}}", "a valid integer"),
    ],
)
def test_wrong_sweeps(text, part):
    with pytest.raises(UserError, match=part) as caught:
        load(overrides=[text])
    assert len(caught.value.faults) == 1
