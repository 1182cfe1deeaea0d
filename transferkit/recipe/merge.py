"""How one layer of values lies over another: parent, file, command line.

Tables are merged key by key. Everything else is replaced whole: numbers, texts, arrays, the list of phases,
and a ``freeze``. A table that names another word than the one below it (``head.kind``, ``optimizer.name``)
starts afresh, since the arguments of the one mean nothing to the other; so does ``steps`` where ``epochs``
stood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transferkit.recipe.toml_positions import Path
from transferkit.type_names import NamedValues

__all__ = ["Layer", "Origin", "expand", "merge"]

# Key of a table: the key inside it that a short form (`head = "mlp"`) gives.
SHORT = {
    "data": "path",
    "backbone": "name",
    "head": "kind",
    "optimizer": "name",
    "schedule": "kind",
    "loss": "kind",
    "devices": "strategy",
    "gradient_clipping": "global_norm",
    "ema": "momentum",
}
# The key whose change makes the table's other values meaningless.
TAGS = {"backbone": "name", "head": "kind", "optimizer": "name", "schedule": "kind", "loss": "kind"}
EXCLUSIVE = {"epochs": "steps", "steps": "epochs"}
WHOLE = {"freeze", "gradient_clipping"}


@dataclass(frozen=True)
class Origin:
    """Where a value came from.

    Attributes:
        kind: ``"default"``, ``"parent"``, ``"file"``, ``"command line"``, ``"call"`` or ``"sweep"``.
        file: the file, for parents and files.
        line: the line in it, counted from 1.
    """

    kind: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        if self.file is None:
            return self.kind
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return where if self.kind == "file" else f"{self.kind} {where}"

    def place(self, key: str) -> str:
        """How a fault names a key of this origin."""
        if self.file is not None:
            return f"{self.file}:{self.line}: {key}" if self.line else f"{self.file}: {key}"
        return f"--set {key}" if self.kind == "command line" else key


@dataclass
class Layer:
    """One source of values: a nested mapping, with the lines of its keys where it is a file."""

    values: NamedValues
    origin: Origin
    lines: Mapping[Path, int]

    def at(self, path: Path) -> Origin:
        """The origin of one key: its own line, or that of the nearest table around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return Origin(self.origin.kind, self.origin.file, self.lines[path[:end]])
        return self.origin


def expand(values: NamedValues) -> NamedValues:
    """Writes short forms out: ``{"head": "mlp"}`` becomes ``{"head": {"kind": "mlp"}}``; phases likewise.

    >>> expand({"optimizer": "sgd", "seed": 1})
    {'optimizer': {'name': 'sgd'}, 'seed': 1}
    """
    made: NamedValues = {}
    for key, value in values.items():
        if key in SHORT and isinstance(value, (str, int, float)) and not isinstance(value, bool):
            made[key] = {SHORT[key]: value}
        elif key == "phases" and isinstance(value, list):
            made[key] = [expand(one) if isinstance(one, dict) else one for one in value]
        elif isinstance(value, dict):
            made[key] = dict(value)
        else:
            made[key] = value
    if isinstance(made.get("average"), dict):
        made["average"] = expand(made["average"])
    table = made.get("backbone")
    if isinstance(table, dict) and type(table.get("input_size")) is int:
        table["input_size"] = [table["input_size"]] * 2
    table = made.get("evaluation")
    if isinstance(table, dict) and type(table.get("fail_under")) in (int, float):
        table["fail_under"] = {"accuracy": table["fail_under"]}
    return made


def merge(
    below: NamedValues, layer: NamedValues, origins: dict[Path, Origin], at: Any, prefix: Path = ()
) -> NamedValues:
    """Lays ``layer`` over ``below`` and notes in ``origins`` where each value came from.

    Args:
        below: the values so far; not changed.
        layer: the values that win, short forms written out.
        origins: paths of values to their origins; brought up to date.
        at: gives the :class:`Origin` of a path within the layer.
        prefix: the path of the table that is merged.
    """
    made = dict(below)
    for key, value in layer.items():
        path = (*prefix, key)
        if key in EXCLUSIVE and EXCLUSIVE[key] not in layer:
            _forget(made, EXCLUSIVE[key], origins, prefix)
        old = made.get(key)
        if key == "phases" and isinstance(value, dict) and isinstance(old, list):
            made[key] = _phases(old, value, origins, at)
            continue
        table = isinstance(value, dict) and isinstance(old, dict) and key not in WHOLE
        tag = TAGS.get(key)
        if table and tag and tag in value and value[tag] != old.get(tag):  # type: ignore[union-attr]
            table = False
        if table:
            made[key] = merge(old, value, origins, at, path)  # type: ignore[arg-type]
        else:
            _forget(made, key, origins, prefix)
            made[key] = value
        for inner in _leaves(value, path):
            origins[inner] = at(inner)
    return made


def _phases(
    below: list[Any], layer: NamedValues, origins: dict[Path, Origin], at: Any
) -> list[Any] | NamedValues:
    """Lays values over single phases, which are named by their number from 0 or by their name."""
    made = list(below)
    for which, value in layer.items():
        names = [one.get("name") if isinstance(one, dict) else None for one in made]
        number = names.index(which) if which in names else int(which) if which.isdecimal() else len(made)
        if number >= len(made) or not isinstance(value, dict) or not isinstance(made[number], dict):
            return layer  # no such phase: the recipe's model says that `phases` is no list

        def origin(path: Path, which: str = which) -> Origin:
            result: Origin = at(("phases", which, *path[2:]))
            return result

        made[number] = merge(made[number], expand(value), origins, origin, ("phases", number))
    return made


def _forget(made: NamedValues, key: str, origins: dict[Path, Origin], prefix: Path) -> None:
    if key not in made:
        return
    old = made.pop(key)
    path = (*prefix, key)
    if not isinstance(old, dict | list):
        origins.pop(path, None)
        return
    for known in [one for one in origins if one[: len(path)] == path]:
        del origins[known]


def _leaves(value: Any, path: Path) -> list[Path]:
    """The paths of a value: its own and, in tables and arrays of tables, those inside."""
    found = [path]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            if isinstance(inner, dict):
                found += _leaves(inner, (*path, number))
    return found
