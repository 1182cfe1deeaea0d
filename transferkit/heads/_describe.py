"""What a choice of head found: in words, and as what a later fit is held to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["choice_of", "describe_choice"]


def describe_choice(chosen: Mapping[str, Any] | None) -> str | None:
    """One sentence on how a head was chosen; None where the recipe says all of it.

    Args:
        chosen: what the head was found to be, as its run keeps it.
    """
    if chosen is None or "members" not in chosen:
        return None
    several = "the average of " if len(chosen["members"]) > 1 else ""
    left = f", {chosen['not_tried']} more had no time" if chosen["not_tried"] else ""
    return (
        f"{several}{' and '.join(chosen['members'])}: cross-validated accuracy {chosen['accuracy']:.3f} "
        f"({chosen['accuracy_low']:.3f} to {chosen['accuracy_high']:.3f}) on {chosen['images']} training "
        f"images, the best of {len(chosen['candidates'])} candidates and their averages{left}"
    )


def choice_of(chosen: Mapping[str, Any] | None) -> tuple[tuple[str, tuple[str, ...], float], ...]:
    """Kind, levels and width of what was chosen, for :attr:`Known.choice`; empty where nothing was.

    Args:
        chosen: as of :func:`describe_choice`.
    """
    members = [one for one in (chosen or {}).get("candidates", []) if one["chosen"]]
    return tuple((one["kind"], tuple(one["levels"]), float(one["width"])) for one in members)
