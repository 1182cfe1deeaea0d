"""Writes a recipe as TOML, in the order in which a run meets its parts."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from transferkit.errors import printable
from transferkit.type_names import NamedValues

__all__ = ["to_setting", "to_toml"]

TOP = ("name", "description", "seed")
SECTIONS = (
    "data",
    "backbone",
    "head",
    "phases",
    "augmentation",
    "average",
    "activations",
    "devices",
    "evaluation",
    "export",
    "tracking",
    "best",
    "sweep",
)
# Begins as no value of TOML but a text does, and is read as one without quotes.
_PLAIN = re.compile(r"(?!(true|false|inf|nan)$)[A-Za-z/._~][^\n\"'#]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(values: NamedValues) -> str:
    """Nested tables as TOML text; reading it gives the same tables.

    Args:
        values: as :meth:`Recipe.values` gives them. A ``None`` is written as ``false``: only what can be
            switched off may be ``None``.

    >>> print(to_toml({"seed": 1, "head": {"kind": "mlp", "sizes": [64]}}), end="")
    seed = 1
    <BLANKLINE>
    [head]
    kind = "mlp"
    sizes = [64]
    """
    lines = [_pair(key, values[key]) for key in TOP if key in values]
    lines += [_pair(key, value) for key, value in values.items() if key not in TOP and key not in SECTIONS]
    for section in SECTIONS:
        value = values.get(section)
        if value is None:
            continue
        tables = value if isinstance(value, list) else [value]
        header = f"[[{section}]]" if isinstance(value, list) else f"[{section}]"
        for table in tables:
            if isinstance(value, list) or table:
                lines += ["", header, *(_pair(key, one) for key, one in table.items())]
    return "\n".join(lines).lstrip("\n") + "\n"


def to_setting(key: str, value: Any) -> str:
    """A value as ``--set`` takes it.

    >>> to_setting("data.root", "my photos"), to_setting("data.root", "2024")
    ('data.root=my photos', 'data.root="2024"')
    """
    text = isinstance(value, str) and value == value.strip() and _PLAIN.fullmatch(value)
    return f"{key}={value if text else _value(value)}"


def _pair(key: str, value: Any) -> str:
    return f"{_key(key)} = {_value(value)}"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    if value is None:
        return "false"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        inner = ", ".join(_pair(key, one) for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return f"[{', '.join(_value(one) for one in value)}]"


def _float(value: float) -> str:
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    text = repr(value)
    return text if any(character in text for character in ".e") else f"{text}.0"


def _text(value: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which JSON leaves as it is and TOML forbids, and for characters
    # beyond the basic plane, which are written as they are.
    # What a terminal would obey is escaped too.
    text = json.dumps(value, ensure_ascii=False)
    return "".join(one if printable(one) == one else f"\\u{ord(one):04x}" for one in text)
