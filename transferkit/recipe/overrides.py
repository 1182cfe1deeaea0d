"""Values from the command line and from calls: ``--set head.dropout=0.3``."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from transferkit.errors import UserError, fault
from transferkit.recipe.merge import SHORT
from transferkit.type_names import NamedValues

__all__ = ["nest", "parse_value", "plain", "spelled_out", "split_override"]

_KEY = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'|\[\d+\]""")


def split_override(text: str) -> tuple[list[str], Any]:
    """Splits ``key=value`` on its first equals sign and reads the value.

    Raises:
        UserError: there is no equals sign, the key is none, or the value is broken TOML.

    >>> split_override("head.kind=mlp")
    (['head', 'kind'], 'mlp')
    >>> split_override("data.path=runs/a=b")
    (['data', 'path'], 'runs/a=b')
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(fault("--set", text, "key=value", "such as --set batch_size=64"))
    return split_key(key), parse_value(value, key.strip())


def split_key(key: str) -> list[str]:
    """``phases[0].epochs``, ``phases.0.epochs`` and ``"a.b".c`` as lists of their parts.

    Raises:
        UserError: the key is empty or has an empty part.
    """
    rest = key.strip()
    parts: list[str] = []
    while rest:
        found = _KEY.match(rest)
        if not found:
            break
        parts.append(found[0].strip("[]\"'") if found[0][0] in "[\"'" else found[0])
        rest = rest[found.end() :]
        if rest.startswith(".") and len(rest) > 1:
            rest = rest[1:]
        elif not rest.startswith("["):
            break
    if rest or not parts:
        raise UserError(fault("--set", key, "a key such as batch_size or head.kind"))
    return parts


def parse_value(text: str, key: str = "value") -> Any:
    """Reads a TOML value; a bare word that is no TOML stands for itself.

    >>> parse_value("1e-3"), parse_value("true"), parse_value("adam"), parse_value('{ until = "block_13" }')
    (0.001, True, 'adam', {'until': 'block_13'})

    Raises:
        UserError: it is no TOML value, or not in UTF-8.
    """
    text = text.strip()
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(fault(f"--set {key}", text, "text in UTF-8")) from None
    try:
        read = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        if text[:1] in ("[", "{", '"', "'") or "\n" in text or not text:
            raise UserError(fault(f"--set {key}", text, "a TOML value", str(error))) from None
        return text
    if set(read) != {"value"}:
        raise UserError(fault(f"--set {key}", text, "one TOML value"))
    # A folder may well be called 2024-01-01: no key of a recipe is a date.
    return text if isinstance(read["value"], (datetime.date, datetime.time)) else read["value"]


def spelled_out(keys: list[str], value: Any) -> list[str]:
    """The key with its short form written out, so that a later key of the same table joins it.

    >>> spelled_out(["optimizer"], "sgd"), spelled_out(["phases", "top", "head"], "mlp")
    (['optimizer', 'name'], ['phases', 'top', 'head', 'kind'])
    """
    short = keys[0] if len(keys) == 1 else keys[2] if len(keys) == 3 and keys[0] == "phases" else None
    if short in SHORT and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return [*keys, SHORT[short]]
    return keys


def nest(pairs: Iterable[tuple[list[str], Any]]) -> NamedValues:
    """Puts dotted keys together into tables; a later pair wins.

    >>> nest([(["head", "kind"], "mlp"), (["head", "dropout"], 0.3), (["seed"], 1)])
    {'head': {'kind': 'mlp', 'dropout': 0.3}, 'seed': 1}
    """
    made: NamedValues = {}
    for keys, value in pairs:
        table = made
        for key in keys[:-1]:
            inner = table.get(key)
            if not isinstance(inner, dict):
                inner = table[key] = {}
            table = inner
        table[keys[-1]] = value
    return made


def plain(value: Any) -> Any:
    """A value of a Python call as TOML knows it: paths as text, tuples as lists, no ``None`` in tables."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items() if one is not None}
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(exclude_unset=True))
    return value
