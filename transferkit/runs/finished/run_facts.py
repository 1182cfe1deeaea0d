"""What a run's ``metrics.json`` holds, and whether it is what a run writes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transferkit.errors import UserError, fault

__all__ = ["check_facts", "read_facts"]

_DAMAGED = "it is damaged; the run has to be made again, or its folder brought back"

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


def read_facts(file: Path) -> dict[str, Any]:
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
    check_facts(file, facts, ("metrics", "classes"))
    return facts


def check_facts(file: Path, facts: dict[str, Any], keys: Iterable[str] = tuple(_FACTS)) -> None:
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
