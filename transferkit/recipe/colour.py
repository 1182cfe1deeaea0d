"""Colours as a recipe states them: a name, ``#rrggbb`` or three numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

__all__ = ["NAMES", "WHITE", "Colour", "read_background"]

Colour: TypeAlias = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
# The sixteen of HTML 4 and their spellings: what else is wanted has a number.
NAMES: dict[str, Colour] = {
    "aqua": (0, 255, 255), "black": (0, 0, 0), "blue": (0, 0, 255), "cyan": (0, 255, 255),
    "fuchsia": (255, 0, 255), "gray": (128, 128, 128), "green": (0, 128, 0), "grey": (128, 128, 128),
    "lime": (0, 255, 0), "magenta": (255, 0, 255), "maroon": (128, 0, 0), "navy": (0, 0, 128),
    "olive": (128, 128, 0), "orange": (255, 165, 0), "purple": (128, 0, 128), "red": (255, 0, 0),
    "silver": (192, 192, 192), "teal": (0, 128, 128), "white": WHITE, "yellow": (255, 255, 0),
}  # fmt: skip
_HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})")


def read_background(value: str | Sequence[int]) -> Colour | None:
    """The colour behind transparent pixels, or None for ``"drop"``.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str):
        red, green, blue = value
        return red, green, blue
    text = value.strip().lower()
    if text == "drop":
        return None
    if text in NAMES:
        return NAMES[text]
    found = _HEX.fullmatch(text)
    if not found:
        raise ValueError(
            f"received {value!r}, expected a colour ({', '.join(sorted(NAMES))}, '#rrggbb' or [r, g, b]) "
            'or "drop"'
        )
    digits = found[1] if len(found[1]) == 6 else "".join(digit * 2 for digit in found[1])
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue
