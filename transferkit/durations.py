"""Lengths of time as people write them."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["seconds_of"]


def seconds_of(value: Any) -> Any:
    """Seconds of text such as ``"90s"``, ``"10m"`` or ``"1.5h"``; what is no text is given back as it is.

    Raises:
        ValueError: the text is none of these.

    >>> seconds_of("10m")
    600.0
    """
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h)\s*", value, re.ASCII)
    if not found:
        raise ValueError('expected seconds, or text like "90s", "10m", "1.5h"')
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
