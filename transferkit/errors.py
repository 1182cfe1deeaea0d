"""What a user can do wrong, said so that it can be mended.

A :class:`UserError` holds one line a fault: the place, what was received, what was expected, the mend.
The command line prints these lines and exits with ``exit_code``; anything else that is raised is a fault
of transferkit's own and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["GateError", "UserError", "fault", "near"]


class UserError(Exception):
    """One or more faults in what the user gave, all found at once.

    Args:
        *faults: one line each, best made with :func:`fault`.
    """

    exit_code = 2

    def __init__(self, *faults: str) -> None:
        if not faults:
            raise TypeError("a UserError needs at least one fault")
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class GateError(UserError):
    """A run ended well, but what it measured falls short of what was demanded of it."""

    exit_code = 1


def fault(
    place: str,
    received: object = None,
    expected: str | None = None,
    mend: str | None = None,
) -> str:
    """Words one fault: ``place: received X, expected Y; mend``.

    >>> fault("head.kind", "linaer", "one of linear, mlp", "did you mean 'linear'?")
    "head.kind: received 'linaer', expected one of linear, mlp; did you mean 'linear'?"
    """
    parts = []
    if received is not None:
        parts.append(f"received {received!r}")
    if expected:
        parts.append(f"expected {expected}")
    body = ", ".join(parts)
    if mend:
        body = f"{body}; {mend}" if body else mend
    return f"{place}: {body}"


def near(name: str, known: Iterable[str], most: int = 3) -> str | None:
    """The mend for a name that is not known: the nearest known names, or None where none is near.

    >>> near("mobilenet_v4", ["mobilenet_v2", "resnet50"])
    "did you mean 'mobilenet_v2'?"
    """
    # Case is folded for the comparison only: the answer keeps the known spelling.
    folded = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(name.casefold(), folded, n=most, cutoff=0.6)
    if not found:
        return None
    return "did you mean " + " or ".join(f"'{folded[one]}'" for one in found) + "?"
