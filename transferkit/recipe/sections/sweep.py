"""Many trials over one data pass."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from transferkit.recipe._model import Section
from transferkit.recipe_limits import MOST_TRIALS
from transferkit.type_names import NamedValues

__all__ = ["Range", "SweepSection"]


def _choices(value: Any) -> str:
    return "range" if isinstance(value, (dict, Range)) else "list"


class Range(Section):
    """An interval that a sweep draws from."""

    low: float = Field(description="lower end of the interval")
    high: float = Field(description="upper end of the interval")
    log: bool = Field(False, description="draw evenly on a logarithmic scale")
    whole: bool = Field(False, description="draw whole numbers")

    @model_validator(mode="after")
    def _is_one(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"received low = {self.low} and high = {self.high}, expected low below high")
        if self.log and self.low <= 0:
            raise ValueError(f"received low = {self.low} with log = true, expected low above 0")
        return self


Choices = Annotated[
    Annotated[Annotated[list[Any], Field(min_length=1)], Tag("list")] | Annotated[Range, Tag("range")],
    Discriminator(_choices),
]


class SweepSection(Section):
    """Many trials over one data pass: values for any keys, on a grid, at random, or as Optuna chooses."""

    method: Literal["grid", "random", "optuna"] = Field(
        "grid",
        description="grid tries all combinations; random draws them; optuna chooses each by those before it",
    )
    trials: int = Field(20, ge=1, le=MOST_TRIALS, description="number of trials to draw (random, optuna)")
    metric: str = Field(
        "accuracy", min_length=1, description="metric of the validation images by which trials are ranked"
    )
    backbones: tuple[str, ...] = Field(
        (),
        description='short for values = { "backbone.name" = [...] }: those whose weights are on this machine',
    )
    values: dict[str, Choices] = Field(
        default_factory=dict,
        description='keys with the values to try: "optimizer.learning_rate" = [1e-4, 1e-3], or {low, high, '
        "log}",
    )

    @property
    def all_values(self) -> NamedValues:
        """The values of each key, those of the backbone first."""
        backbones = {"backbone.name": list(self.backbones)} if self.backbones else {}
        return {**backbones, **self.values}
