"""What a run's ``metrics.json`` holds, and whether it is what a run writes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from transferkit.errors import UserError, fault
from transferkit.type_names import NamedValues

__all__ = ["BackboneFacts", "RunFacts", "TimeFacts", "check_facts", "read_facts"]

_DAMAGED = "it is damaged; the run has to be made again, or its folder brought back"


class BackboneFacts(TypedDict):
    """The backbone of a run: its name, which weights, and their hash."""

    name: str
    weights: str
    weights_sha256: str


class TimeFacts(TypedDict):
    """Seconds of a run, in all and by stage."""

    total: float
    stages: dict[str, float]


class RunFacts(TypedDict):
    """What ``metrics.json`` holds.

    Attributes:
        metrics: every figure of the evaluation by name.
        classes: in the order of the probabilities.
        held_out: the split that was evaluated.
        images: split to how many images it has.
        quarantined: files that could not be used.
        backbone: the backbone.
        epochs: epochs of all phases together.
        frozen: that frozen weights did not move, in words.
        kept, independence, calibration, novelty, kept_features: as ``to_dict`` of the class that is named so.
        thresholds: label to the probability from which it counts; None where an image has one label.
        advice: ``weakest`` and ``next``, a line each.
        refused: format to the reason why its export was refused.
        seconds: how long it took.
    """

    metrics: NamedValues
    classes: list[str]
    held_out: str
    images: dict[str, int]
    quarantined: int
    backbone: BackboneFacts
    epochs: int
    frozen: str
    kept: NotRequired[list[NamedValues]]
    independence: NotRequired[NamedValues]
    thresholds: NotRequired[dict[str, float] | None]
    calibration: NotRequired[NamedValues]
    advice: NotRequired[dict[str, str | None]]
    novelty: NotRequired[NamedValues]
    kept_features: NotRequired[NamedValues]
    refused: NotRequired[dict[str, str]]
    seconds: TimeFacts


# What every run writes into its metrics.json, and what kind of thing each is.
_FACTS = {
    "metrics": dict,
    "classes": list,
    "held_out": str,
    "images": dict,
    "quarantined": int,
    "epochs": int,
    "frozen": str,
    "seconds": dict,
}


def read_facts(file: Path) -> RunFacts:
    """What ``metrics.json`` holds, as far as it is what a run writes.

    Raises:
        UserError: it cannot be read, or is something else; says what is missing.
    """
    try:
        facts = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UserError(fault(str(file), hint=f"it cannot be read: {error.strerror}")) from None
    except ValueError as error:
        raise UserError(fault(str(file), hint=f"{_DAMAGED} ({error})")) from None
    if not isinstance(facts, dict):
        raise UserError(fault(str(file), type(facts).__name__, "an object", _DAMAGED))
    found = cast(RunFacts, facts)
    check_facts(file, found, ("metrics", "classes"))
    return found


def check_facts(file: Path, facts: RunFacts, keys: Iterable[str] = tuple(_FACTS)) -> None:
    """Refuses facts that are not as a run writes them.

    Args:
        file: that they are of, for messages.
        facts: what it holds.
        keys: those that are looked at; all by default.

    Raises:
        UserError: says which are not.
    """
    wrong = [key for key in keys if not isinstance(facts.get(key), _FACTS[key])]
    if wrong:
        expected = f"the keys {', '.join(wrong)} as a run writes them"
        raise UserError(fault(str(file), None, expected, _DAMAGED))
