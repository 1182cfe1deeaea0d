"""The recipe itself: a whole run, said and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property

from pydantic import Field, PrivateAttr

from transferkit.recipe.checks.components import check_component, check_optimizer
from transferkit.recipe.merge import Origin, merge
from transferkit.recipe.phases import DEFAULT_EPOCHS, Phase, TrainingSection
from transferkit.recipe.sections import (
    ActivationsSection,
    AugmentationSection,
    AverageSection,
    BackboneSection,
    BestSection,
    DataSection,
    DevicesSection,
    EvaluationSection,
    ExportSection,
    HeadSection,
    SweepSection,
    TrackingSection,
)
from transferkit.recipe.toml_positions import Path
from transferkit.recipe.write import to_toml
from transferkit.type_names import NamedValues

__all__ = ["NAMED", "Recipe"]

# The tables of a phase that name a component: the key of the name, and the registry.
NAMED = {
    "optimizer": ("name", "optimizers"),
    "schedule": ("kind", "schedules"),
    "loss": ("kind", "losses"),
}


class Recipe(TrainingSection):
    """All that a run does. Made by :func:`transferkit.recipe.load`, which checks it and names every fault.

    Attributes:
        origins: where each given value came from; a value that is not in it is a default.
        notes: files of the current folder that stand in for shipped ones, a line each.
    """

    name: str = Field("recipe", min_length=1, description="name of the run, in its report and exports")
    description: str = Field("", description="what the recipe is for, in a sentence")
    seed: int = Field(
        0, ge=0, le=2**31 - 1, description="seed of everything random: split, weights, order, augmentation"
    )
    data: DataSection = Field(default_factory=lambda: DataSection())
    backbone: BackboneSection = Field(default_factory=lambda: BackboneSection())
    head: HeadSection = Field(default_factory=lambda: HeadSection())
    phases: tuple[Phase, ...] = Field(
        (),
        description="phases in their order; without any, the keys at the top of the file make the only phase",
    )
    augmentation: AugmentationSection = Field(default_factory=lambda: AugmentationSection())
    activations: ActivationsSection = Field(default_factory=lambda: ActivationsSection())
    devices: DevicesSection = Field(default_factory=lambda: DevicesSection())
    evaluation: EvaluationSection = Field(default_factory=lambda: EvaluationSection())
    export: ExportSection = Field(default_factory=lambda: ExportSection())
    tracking: TrackingSection = Field(default_factory=lambda: TrackingSection())
    sweep: SweepSection | None = Field(
        None, description="trials over one data pass; without it, a single run"
    )
    average: AverageSection | None = Field(
        None, description="a second network whose answers are averaged with these; without it, none"
    )
    best: BestSection | None = Field(
        None, description="choices before the run (recipe best); without it, none"
    )

    _origins: dict[Path, Origin] = PrivateAttr(default_factory=dict)
    # Files that were read and lie outside the current project, as origins name them.
    _foreign: frozenset[str] = PrivateAttr(default=frozenset())
    _notes: tuple[str, ...] = PrivateAttr(default=())

    @property
    def origins(self) -> Mapping[Path, Origin]:
        return self._origins

    @property
    def notes(self) -> tuple[str, ...]:
        return self._notes

    @cached_property
    def resolved_phases(self) -> tuple[Phase, ...]:
        """The phases, each with what stands for it at the top of the file; at least one.

        Exactly one of ``epochs`` and ``steps`` is set in each.
        """
        top = self.model_dump(mode="json", include=set(TrainingSection.model_fields))
        own = [one.model_dump(mode="json", exclude_unset=True) for one in self.phases] or [{}]
        return tuple(_resolved(top, one, number) for number, one in enumerate(own, start=1))

    def up_to(self, count: int) -> Recipe:
        """The recipe without the phases after the first ``count``."""
        made = self.model_copy(update={"phases": self.phases[:count]})
        made.__dict__.pop("resolved_phases", None)  # worked out for all of them
        return made

    def values(self) -> NamedValues:
        """The recipe as nested tables, as TOML has them. Phases say only what they said themselves."""
        whole = self.model_dump(mode="json", exclude_none=True)
        whole.pop("phases")
        if self.phases:
            whole["phases"] = [one.model_dump(mode="json", exclude_unset=True) for one in self.phases]
        return whole

    def to_toml(self) -> str:
        """The recipe as a file that says everything and extends nothing; reading it gives an equal recipe."""
        return to_toml(self.values())

    def sha256(self) -> str:
        """The hash of all values, 64 hex digits; comments, order and origins do not count."""
        return hashlib.sha256(json.dumps(self.values(), sort_keys=True).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.values() == other.values()

    def __hash__(self) -> int:
        return hash(self.sha256())


def resolve_phase(top: NamedValues, own: NamedValues) -> NamedValues:
    """Lays a phase's own values over those of the top of the file."""
    return merge({key: value for key, value in top.items() if value is not None}, own, {}, lambda path: None)


def _resolved(top: NamedValues, own: NamedValues, number: int) -> Phase:
    whole = resolve_phase(top, own)
    for key, (tag, kind) in NAMED.items():
        table = dict(whole[key])
        name = table.pop(tag)
        if kind == "optimizers":
            options, _ = check_optimizer(name, table, (key,))
        else:
            options, _ = check_component(kind, name, table, (key,))
        whole[key] = {tag: name, **options}
    if whole.get("epochs") is None and whole.get("steps") is None:
        whole["epochs"] = DEFAULT_EPOCHS
    if "name" not in own:
        whole["name"] = "train" if number == 1 else f"phase{number}"
    return Phase.model_validate_json(json.dumps(whole), strict=True)
