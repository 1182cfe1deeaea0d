"""Which trials a sweep has, and what is refused before the first one."""

from __future__ import annotations

import importlib.util

import pytest

from transferkit.errors import UserError
from transferkit.recipe import load
from transferkit.recipe.sweep import trial_recipe
from transferkit.runs.sweep.choose_values import check_sweep, make_chooser
from transferkit.runs.sweep.trials import Results, Trial

pytestmark = pytest.mark.extra

SEARCH = (
    "sweep={method='optuna', trials=6, metric='log_loss', values={"
    "'optimizer.learning_rate'={low=1e-5, high=1e-1, log=true}, 'head.kind'=['linear', 'mlp'], "
    "batch_size={low=8, high=64, whole=true}}}"
)


def test_a_trials_recipe_is_the_sweeps_with_its_values():
    recipe = load(overrides=["epochs=7", "sweep.values={'head.kind'=['mlp'], 'phases'=[[{name='a'}]]}"])
    made = trial_recipe(recipe, [("head.kind", "mlp"), ("optimizer.learning_rate", 0.5)])
    assert (made.head.kind, made.optimizer.learning_rate, made.epochs, made.sweep) == ("mlp", 0.5, 7, None)
    assert str(made.origins["optimizer", "learning_rate"]) == "sweep"
    assert made == load(overrides=["epochs=7", "head.kind=mlp", "optimizer.learning_rate=0.5"])


def test_arguments_may_be_those_of_a_kind_that_the_trial_has_too():
    recipe = load(overrides=["sweep.values={'head.kind'=['mlp'], seed=[1]}"])
    assert trial_recipe(recipe, [("head.kind", "mlp"), ("head.dropout", 0.1)]).head.options["dropout"] == 0.1


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("sweep={}", "at least one key"),
        (
            "sweep={values={'schedule.kind'=['constant', 'cosine'], 'schedule.end_factor'=[0.1]}}",
            "trial 1 (schedule.kind = 'constant', schedule.end_factor = 0.1)",
        ),
    ],
)
def test_what_no_trial_could_be_is_refused_first(text, part):
    with pytest.raises(UserError) as caught:
        check_sweep(load(overrides=[text, "schedule=cosine"]))
    assert part in caught.value.faults[0]


def test_optuna_that_is_not_installed_is_one_line(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "optuna" else found(name))
    with pytest.raises(UserError, match=r"transferkit\[optuna\]"):
        check_sweep(load(overrides=[SEARCH]))


def score(values) -> float:
    chosen = dict(values)
    return abs(chosen["optimizer.learning_rate"] - 1e-3) + (chosen["head.kind"] == "mlp")


def test_optuna_goes_on_as_it_would_have(tmp_path):
    pytest.importorskip("optuna", reason="needs transferkit[optuna]")
    recipe = load(overrides=[SEARCH])
    found = []
    for stops in ((), (2, 4)):
        folder = tmp_path / str(len(stops))
        folder.mkdir()
        chooser = make_chooser(recipe, folder)
        proposed = []
        for number in range(1, chooser.count + 1):
            values = chooser.propose(number)
            if number in stops:  # killed in this trial: another process asks for it again
                chooser = make_chooser(recipe, folder)
                for earlier, (_, result) in enumerate(proposed, start=1):
                    chooser.tell(earlier, result)
                assert chooser.propose(number) == values
            result = None if number == 3 else score(values)
            chooser.tell(number, result)
            proposed.append((values, result))
        found.append(proposed)
    assert found[0] == found[1]
    for values, _ in found[0]:
        chosen = dict(values)
        assert 1e-5 <= chosen["optimizer.learning_rate"] <= 1e-1
        assert chosen["head.kind"] in ("linear", "mlp")
        assert 8 <= chosen["batch_size"] <= 64
        assert trial_recipe(recipe, values).batch_size == chosen["batch_size"]


def test_trials_are_ordered_by_the_metrics_own_direction():
    trials = [Trial(1, [("a", 1)], 0.5), Trial(2, [("a", 2)], None, error="x"), Trial(3, [("a", [3])], 0.7)]
    assert [one.number for one in Results("grid", "accuracy", trials).ordered] == [3, 1, 2]
    assert [one.number for one in Results("grid", "log_loss", trials).ordered] == [1, 3, 2]
    assert Results("grid", "accuracy", trials).rows[0][:3] == [3, "[3]", 0.7]
    assert Results("grid", "accuracy", trials[1:2]).best is None
