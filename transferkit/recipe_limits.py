"""How large a recipe may be, so that no file keeps the program busy for minutes before it is refused.

What is far beyond anything that a person or a script means is named at once: depth, number of values, length
of a text, integers beyond 64 bits (TOML has no larger ones), numbers of phases, rules and trials.
"""

from __future__ import annotations

import re
from typing import Any

from transferkit.errors import UserError, fault, one_line

__all__ = [
    "MOST_BYTES", "MOST_FAULTS", "MOST_PATTERN", "MOST_PHASES", "MOST_RULES", "MOST_TRIALS",
    "MOST_VALUES_TRIED", "check_bounds", "check_text", "read_bounded",
]  # fmt: skip

MOST_BYTES = 500_000
MOST_DEPTH = 16
MOST_VALUES = 100_000
MOST_TEXT = 20_000
MOST_PHASES = 100
MOST_RULES = 500
MOST_PATTERN = 500
MOST_TRIALS = 10_000
MOST_VALUES_TRIED = 500
# Faults of one table that are listed; the rest is counted.
MOST_FAULTS = 30

# A key of more parts than any recipe is deep: reading one takes time by the square of its length. Attempts
# begin at the beginning of a part only, and parts in quotes have bounded length: this itself is linear.
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]{0,100}"|'[^'\n]{0,100}')"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_PART}[ \t]*\.[ \t]*){{{2 * MOST_DEPTH}}}")


def check_text(text: str, name: str) -> None:
    """Refuses text that would take long to read as TOML.

    Raises:
        UserError: it has a key of very many parts.
    """
    found = _LONG_KEY.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise UserError(fault(f"{name}:{line}", expected=f"keys of at most {MOST_DEPTH} parts"))


def check_bounds(values: Any, name: str) -> None:
    """Refuses nested values that no recipe has.

    Args:
        values: as TOML has them.
        name: of the file, or what else gave them.

    Raises:
        UserError: the first bound that is passed.
    """
    count = 0
    waiting: list[tuple[Any, str, int]] = [(values, "", 0)]
    while waiting:
        value, key, depth = waiting.pop()
        place = f"{name}: {key[:60]}" if key else name
        count += 1
        if count > MOST_VALUES:
            raise UserError(fault(name, expected=f"at most {MOST_VALUES:,} values"))
        if depth > MOST_DEPTH:
            raise UserError(fault(place, expected=f"at most {MOST_DEPTH} levels of tables and arrays"))
        if isinstance(value, dict):
            for inner, one in value.items():
                if len(inner) > MOST_TEXT:
                    raise UserError(fault(place, expected=f"keys of at most {MOST_TEXT:,} characters"))
                waiting.append((one, key or inner, depth + 1))
        elif isinstance(value, list | tuple):
            waiting += [(one, key, depth + 1) for one in value]
        elif isinstance(value, str) and len(value) > MOST_TEXT:
            received = f"{len(value):,} characters"
            raise UserError(f"{one_line(place)}: received {received}, expected at most {MOST_TEXT:,}")
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise UserError(fault(place, expected="an integer of at most 64 bits"))
    for key, most in (("phases", MOST_PHASES), ("freeze", MOST_RULES)):
        held = values.get(key) if isinstance(values, dict) else None
        if isinstance(held, list) and len(held) > most:
            received = f"received {len(held):,} entries"
            raise UserError(f"{one_line(name)}: {key}: {received}, expected at most {most}")


def read_bounded(path: Any, name: str) -> bytes:
    """The bytes of a file of text, read no further than it may be long.

    Raises:
        UserError: it is longer.
        OSError: it cannot be read.
    """
    with open(path, "rb") as stream:
        read = stream.read(MOST_BYTES + 1)
    if len(read) > MOST_BYTES:
        raise UserError(fault(name, hint=f"larger than {MOST_BYTES:,} bytes; this is no recipe or card"))
    return read
