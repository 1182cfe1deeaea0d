"""What a user can do wrong, said so that it can be fixed.

A :class:`UserError` holds one line a fault: the place, what was received, what was expected, a hint.
The command line prints these lines and exits with ``exit_code``; anything else that is raised is a fault
of transferkit's own and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "Faults",
    "GateError",
    "UserError",
    "collect",
    "did_you_mean",
    "fault",
    "nearest",
    "one_line",
    "printable",
]

# A name of this length is no slip of the hand, and comparing it takes long.
_LONGEST_NAME = 100
# What a terminal takes as an order, or what changes the order in which text is read; also halves of
# characters, which stand for the bytes of a file name that is no UTF-8.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


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
    hint: str | None = None,
) -> str:
    """Words one fault: ``place: received X, expected Y; hint``.

    >>> fault("head.kind", "linaer", "one of linear, mlp", "did you mean 'linear'?")
    "head.kind: received 'linaer', expected one of linear, mlp; did you mean 'linear'?"

    Args:
        place: of the fault: a dotted key, a file, an option.
        received: what stands there; left out where None.
        expected: what may stand there.
        hint: how it is put right.
    """
    place = one_line(place)
    parts = []
    if received is not None:
        parts.append(f"received {received!r}")
    if expected:
        parts.append(f"expected {expected}")
    body = ", ".join(parts)
    if hint:
        body = f"{body}; {hint}" if body else hint
    return f"{place}: {body}"


class Faults(list[str]):
    """Faults that add up while checks go on, and are then raised together.

    >>> faults = Faults()
    >>> for text in ("1", "two", "3,5"):
    ...     with faults.caught():
    ...         if not text.isdigit():
    ...             raise UserError(fault("size", text, "a number"))
    >>> len(faults)
    2
    """

    @contextlib.contextmanager
    def caught(self, worded: Callable[[str], str] = str) -> Iterator[None]:
        """Takes in the faults that the block under ``with`` raises, and goes on after it.

        Args:
            worded: what becomes of each line, such as one with another place.
        """
        try:
            yield
        except UserError as error:
            self += map(worded, error.faults)

    def refuse(self) -> None:
        """Raises them, each once, if there are any.

        Raises:
            UserError: all faults.
        """
        if self:
            raise UserError(*dict.fromkeys(self))


def collect(*checks: Callable[[], object]) -> tuple[str, ...]:
    """The faults that checks raise, each once, in their order."""
    faults = Faults()
    for check in checks:
        with faults.caught():
            check()
    return tuple(dict.fromkeys(faults))


def nearest(name: str, known: Iterable[str], most: int = 3, likeness: float = 0.6) -> list[str]:
    """Known names that look like a name, the likest first; none for a name too long to be a slip.

    >>> nearest("Mobilenet_v4", ["mobilenet_v2", "resnet50"])
    ['mobilenet_v2']

    Args:
        name: what the user wrote.
        known: the names there are.
        most: names to give.
        likeness: from 0 to 1, which a name has at least: the share of its letters that are alike.
    """
    if len(name) > _LONGEST_NAME:
        return []
    # Case is folded for the comparison only: the answer keeps the known spelling.
    folded = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(name.casefold(), folded, n=most, cutoff=likeness)
    return [folded[one] for one in found]


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str | None:
    """The hint for a name that is not known: the nearest known names, or None where none is near.

    >>> did_you_mean("mobilenet_v4", ["mobilenet_v2", "resnet50"])
    "did you mean 'mobilenet_v2'?"

    Args:
        name: what the user wrote.
        known: the names there are.
        most: names to offer.
    """
    found = nearest(name, known, most)
    return "did you mean " + " or ".join(f"'{one}'" for one in found) + "?" if found else None


def printable(text: str) -> str:
    r"""Text as a terminal may have it: escape sequences and the like are shown, not sent.

    Line ends and tabs stay.

    >>> print(printable("\x1b[2Jrose"))
    \x1b[2Jrose
    """
    return _UNPRINTABLE.sub(lambda found: _shown(found[0]), text)


def one_line(text: str) -> str:
    r"""A name as part of a line: line ends and tabs are shown as well.

    >>> print(one_line("a\nb"))
    a\nb
    """
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _shown(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"  # a byte that is no UTF-8
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
