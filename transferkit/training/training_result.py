"""What training gives to whatever comes after it."""

from __future__ import annotations

from dataclasses import dataclass, field

from transferkit.freezing import FreezePlan
from transferkit.recipe import Phase, Recipe
from transferkit.training.images import Images
from transferkit.training.parts import Parts
from transferkit.training.phases.kept_state import Kept
from transferkit.type_names import NamedValues

__all__ = ["Trained"]


@dataclass(frozen=True)
class Trained:
    """What the phases of a run gave.

    Attributes:
        recipe: the resolved recipe.
        images: what was trained on; those that could be decoded.
        parts: backbone and head.
        plans: what each phase trained, in order.
        history: a row an epoch of each phase, with the phase's name.
        kept: which state each phase ended with.
        frozen: the proof's line.
    """

    recipe: Recipe
    images: Images
    parts: Parts
    plans: list[tuple[Phase, FreezePlan]] = field(default_factory=list)
    history: list[NamedValues] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    frozen: str = ""
