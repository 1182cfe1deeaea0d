"""Parts that are found by being there: in a folder of the package, or offered by an installed package.

What lies in the folder of its kind is one of its parts, unless its name begins with an underscore. An
installed package adds to them by an entry point: ``[project.entry-points."transferkit.export.formats"]`` with
``csv = "my_package.csv_weights"`` adds the export format ``csv``. Parts are whole modules (export formats,
data sources, verbs of the command line: :class:`Modules`) or components (:mod:`transferkit.registry`).

This imports nothing that takes time: the command line asks here at its start.
"""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferkit.errors import UserError, fault

if TYPE_CHECKING:
    from importlib import metadata

__all__ = ["Modules", "modules", "offered", "own_modules"]

_PACKAGE = Path(__file__).resolve().parent


def modules(kind: str, members: Sequence[str] = (), rooms: Sequence[str] = ()) -> Modules:
    """The parts of one kind that are modules: ``"export.formats"``, ``"data.sources"``; see :class:`Modules`.

    Args:
        kind: the subpackage that holds them.
        members: what each of them must have.
        rooms: subfolders that hold more of them.
    """
    return Modules(kind, members, rooms)


class Modules:
    """All parts of one kind that are whole modules, or objects with the same members.

    Args:
        kind: the subpackage that holds them, such as ``"export.formats"``.
        members: what each of them must have.
        rooms: subfolders that hold more of them; they are no parts themselves.
    """

    def __init__(self, kind: str, members: Sequence[str] = (), rooms: Sequence[str] = ()) -> None:
        self.kind = kind
        self.group = f"transferkit.{kind}"
        self.members = tuple(members)
        self._rooms = tuple(rooms)

    def _own(self) -> dict[str, str]:
        """Names of our own to the modules below the package."""
        kinds = (self.kind, *(f"{self.kind}.{room}" for room in self._rooms))
        found = {name: f"{kind}.{name}" for kind in kinds for name in own_modules(kind)}
        return {name: place for name, place in found.items() if name not in self._rooms}

    def names(self) -> list[str]:
        """Names of our own and of those that installed packages offer, sorted. Imports nothing."""
        return sorted({*self._own(), *offered(self.group)})

    def get(self, name: str) -> Any:
        """The part of a name, imported; one of our own comes before an offered one.

        Raises:
            KeyError: there is none.
            UserError: what a package offers under the name lacks a member.
        """
        own = self._own()
        if name in own:
            return importlib.import_module(f"transferkit.{own[name]}")
        point = offered(self.group)[name]
        part = point.load()
        missing = [member for member in self.members if not hasattr(part, member)]
        if missing:
            expected = f"{', '.join(self.members)}, as a part of {self.group} has them"
            received = f"no {', '.join(missing)}"
            raise UserError(fault(f"{name} ({point.value})", received, expected))
        return part


def offered(group: str) -> dict[str, metadata.EntryPoint]:
    """The entry points of a group by their names: what installed packages add. Imports none of them."""
    return _entry_points(group, tuple((place, _changed(place)) for place in sys.path))


def own_modules(kind: str) -> list[str]:
    """Names of the modules in a folder of the package that have no underscore in front, sorted."""
    found = pkgutil.iter_modules([str(_PACKAGE.joinpath(*kind.split(".")))])
    return [module.name for module in found if not module.name.startswith("_")]


@functools.cache
def _entry_points(group: str, path: tuple[tuple[str, int], ...]) -> dict[str, metadata.EntryPoint]:
    """Read once for each state of the path: that takes 10 ms, and a recipe asks for 15 components.

    What the current folder offers is left out: `python -m` looks there first, and nobody installed it.
    """
    from importlib import metadata

    here = Path.cwd().resolve()
    return {point.name: point for point in metadata.entry_points(group=group) if _home(point) != here}


def _home(point: metadata.EntryPoint) -> Path | None:
    return Path(str(point.dist.locate_file(""))).resolve() if point.dist is not None else None


def _changed(place: str) -> int:
    try:
        return os.stat(place or ".").st_mtime_ns
    except OSError:
        return 0
