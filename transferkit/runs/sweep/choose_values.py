"""Which values a trial has: listed beforehand, or chosen by what the trials before it gave."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Protocol

from transferkit.errors import Faults, UserError, fault
from transferkit.packages import installed
from transferkit.recipe import Recipe
from transferkit.recipe.metrics import less_is_better
from transferkit.recipe.sections import Range
from transferkit.recipe.sweep import trial_recipe, trials
from transferkit.runs.checks.supported import check_supported

__all__ = ["Chooser", "check_sweep", "make_chooser"]

Values = list[tuple[str, Any]]

# The sections whose values decide whether there is such a backbone, and whether this version can run it.
_DECIDE = ("activations", "augmentation", "backbone", "evaluation", "head")


class Chooser(Protocol):
    """What chooses trials, numbered from 1."""

    count: int

    def propose(self, number: int) -> Values:
        """The values of a trial; asked again, also by another process, it gives the same."""

    def tell(self, number: int, score: float | None) -> None:
        """Takes what a trial gave; None where it failed."""


def check_sweep(recipe: Recipe) -> None:
    """Refuses a sweep that cannot be run, before anything is.

    Raises:
        UserError: no values, a package that is not installed, combinations that no run could have.
    """
    sweep = recipe.sweep
    if sweep is None:
        return
    if not sweep.all_values:
        hint = 'such as values = { "optimizer.learning_rate" = [1e-4, 1e-3] }'
        raise UserError(fault("sweep.values", None, "at least one key with its values", hint))
    if sweep.method == "optuna":
        if not installed("optuna"):
            expected = "the package optuna, which is not installed"
            hint = 'pip install "transferkit[optuna]", or say method = "random"'
            raise UserError(fault("sweep.method", "optuna", expected, hint))
        return
    faults = Faults()
    for number, values in enumerate(trials(recipe), start=1):
        given = ", ".join(f"{key} = {value!r}" for key, value in values)
        with faults.caught(functools.partial("{}: {}".format, f"sweep: trial {number} ({given})")):
            trial = trial_recipe(recipe, values)
            if any(key.partition(".")[0] in _DECIDE for key, _ in values):
                check_supported(trial)
    faults.refuse()


def make_chooser(recipe: Recipe, folder: Path) -> Chooser:
    """What chooses the trials of a recipe's sweep.

    Args:
        recipe: the recipe with its sweep.
        folder: of the sweep; Optuna keeps its study there.
    """
    if recipe.sweep is not None and recipe.sweep.method == "optuna":
        return _Optuna(recipe, folder)
    return _Listed(recipe)


class _Listed:
    """A grid, or values drawn from the recipe's seed."""

    def __init__(self, recipe: Recipe) -> None:
        self._values = trials(recipe)
        self.count = len(self._values)

    def propose(self, number: int) -> Values:
        return self._values[number - 1]

    def tell(self, number: int, score: float | None) -> None:
        """Nothing depends on it."""


class _Optuna:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), in ``optuna.db`` of the sweep.

    Each trial's sampler is seeded by the recipe's seed and the trial's number: a sweep that was interrupted
    chooses on as it would have.
    """

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        import optuna

        assert recipe.sweep is not None  # noqa: S101 -- for the type checker: the caller looked
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna: Any = optuna
        self._values = recipe.sweep.all_values
        self._seed = recipe.seed
        self.count = recipe.sweep.trials
        self._study = optuna.create_study(
            storage=f"sqlite:///{(folder / 'optuna.db').resolve()}",
            study_name="sweep",
            load_if_exists=True,
            direction="minimize" if less_is_better(recipe.sweep.metric) else "maximize",
        )

    def propose(self, number: int) -> Values:
        known = self._study.trials
        if number <= len(known) and len(known[number - 1].params) == len(self._values):
            params = known[number - 1].params
            return [(key, self._value(key, params[key])) for key in self._values]
        sampler = self._optuna.samplers.TPESampler(seed=(self._seed * 1_000_003 + number) % 2**32)
        self._study.sampler = sampler
        trial = self._study.ask()
        return [(key, self._value(key, self._suggest(trial, key))) for key in self._values]

    def tell(self, number: int, score: float | None) -> None:
        known = self._study.trials[number - 1]
        if known.state.is_finished():
            return
        if score is None:
            self._study.tell(number - 1, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(number - 1, score)

    def _suggest(self, trial: Any, key: str) -> Any:
        values = self._values[key]
        if not isinstance(values, Range):
            # By its place: a value may be a list or a table.
            return trial.suggest_categorical(key, list(range(len(values))))
        if values.whole:
            return trial.suggest_int(key, round(values.low), round(values.high), log=values.log)
        return trial.suggest_float(key, values.low, values.high, log=values.log)

    def _value(self, key: str, chosen: Any) -> Any:
        values = self._values[key]
        return chosen if isinstance(values, Range) else values[chosen]
