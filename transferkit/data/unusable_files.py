"""Files that are listed and cannot be used: one list with reasons, one limit for each kind of reason.

A missing file is mostly a fault of the manifest, a file beyond a limit mostly one of the limit, and a file
that cannot be decoded is one of the file. Each kind has its own share of a data set that may be so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from transferkit.errors import Faults, fault
from transferkit.recipe.sections import DataSection

__all__ = ["Kind", "Refused", "check_shares", "refused_notes"]

Kind = Literal["missing", "limit", "unreadable"]
_SHOWN = 5
# Kind to words, the key of its share, and what to do.
_KINDS: dict[str, tuple[str, str, str]] = {
    "missing": ("missing", "max_missing", "correct the paths"),
    "limit": (
        "beyond the limits",
        "max_beyond_limits",
        "raise the limit that is named below (data.max_bytes, max_pixels, max_side or follow_links)",
    ),
    "unreadable": ("unreadable", "max_unreadable", "remove or repair them"),
}


class Refused(NamedTuple):
    """A file that cannot be used.

    Attributes:
        name: as the data set names it.
        reason: why, in one line.
        kind: ``missing``; ``limit``, of its size or its place; or ``unreadable``.
    """

    name: str
    reason: str
    kind: Kind = "unreadable"


def check_shares(
    refused: Sequence[Refused], total: int, data: DataSection | float, missing_hint: str = ""
) -> None:
    """Refuses a data set of which too much cannot be used.

    Args:
        refused: the files that cannot be used.
        total: how many files there are, with these.
        data: has a share for each kind; or one share that stands for each.
        missing_hint: what may be done about missing files.

    Raises:
        UserError: a line for each kind whose share is too large, and its first files.
    """
    faults = Faults()
    for kind, (words, key, hint) in _KINDS.items():
        found = [one for one in refused if one.kind == kind]
        most = data if isinstance(data, int | float) else getattr(data, key)
        if len(found) <= most * total:
            continue
        if kind == "missing" and missing_hint:
            hint = missing_hint
        hint += f"; --set data.{key}=SHARE allows more"
        faults.append(fault("data", f"{len(found)} of {total} files {words}", f"at most {most:.0%}", hint))
        faults += [fault(one.name, hint=one.reason) for one in found[:_SHOWN]]
        if len(found) > _SHOWN:
            faults.append(f"data: and {len(found) - _SHOWN} more")
    faults.refuse()


def refused_notes(refused: Sequence[Refused]) -> tuple[str, ...]:
    """One line for each kind, with the count and the first names and reasons.

    >>> refused_notes([Refused("a.jpg", "the file is empty"), Refused("b.jpg", "no image")])
    ('left out 2 files: unreadable (a.jpg: the file is empty; b.jpg: no image)',)
    """
    lines = []
    for kind, (words, _, _) in _KINDS.items():
        found = [one for one in refused if one.kind == kind]
        if found:
            shown = "; ".join(f"{one.name}: {one.reason}" for one in found[:_SHOWN])
            more = "; …" if len(found) > _SHOWN else ""
            lines.append(f"left out {len(found)} file{'s' * (len(found) > 1)}: {words} ({shown}{more})")
    return tuple(lines)
