"""One thing that was looked at on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        section: what it belongs to, such as ``"tensorflow"``.
        name: what was looked at.
        value: what was found, for people.
        level: ``"ok"``, ``"note"`` (a run works, though less well) or ``"fault"`` (no run works).
        hint: what to do about it.
    """

    section: str
    name: str
    value: str
    level: Literal["ok", "note", "fault"] = "ok"
    hint: str | None = None
