"""Which recipe files there are, and what stands in them."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from transferkit.errors import UserError, did_you_mean, fault
from transferkit.recipe.merge import Layer, Origin, expand
from transferkit.recipe.toml_positions import toml_positions
from transferkit.recipe_limits import check_bounds, check_text, read_bounded
from transferkit.shipped_files import shipped
from transferkit.type_names import NamedValues

__all__ = ["DEFAULT", "NoParentError", "chain", "default", "find", "hiding", "is_shipped", "recipe_files"]

DEFAULT = "retrain"
MOST_PARENTS = 16


def recipe_files() -> dict[str, Path]:
    """Names of all recipes to their files, sorted; ``./recipes/NAME.toml`` comes before a shipped one."""
    found: dict[str, Path] = {}
    for folder in (Path("recipes"), shipped("recipes")):
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def default() -> Path:
    """The recipe of a run that names none: the shipped one, which no file in the current folder replaces."""
    return shipped("recipes") / f"{DEFAULT}.toml"


def hiding(name: str) -> Path | None:
    """The file in ``./recipes`` that stands in for the shipped recipe of its name; None where none does."""
    own, ours = Path("recipes") / f"{name}.toml", shipped("recipes") / f"{name}.toml"
    if not (own.is_file() and ours.is_file()) or own.resolve() == ours.resolve():
        return None
    return own


def is_shipped(file: str) -> bool:
    """Whether a file, named as origins name it, ships with transferkit."""
    path = Path(file)
    return path.parent == Path() and not path.is_file() and (shipped("recipes") / file).is_file()


def find(reference: str | os.PathLike[str], place: str = "recipe", beside: Path | None = None) -> Path:
    """The file of a recipe.

    Args:
        reference: a name, or a path (which ends in ``.toml`` or has a slash in it).
        place: what to call the reference in a fault.
        beside: a folder that relative paths start from, instead of the current one.

    Raises:
        UserError: there is none; near names are offered.
    """
    text = os.fspath(reference)
    if isinstance(reference, os.PathLike) or text.endswith(".toml") or "/" in text or os.sep in text:
        path = Path(text).expanduser()
        if beside is not None and not path.is_absolute():
            path = beside / path
        try:
            found = path.is_file()
        except (OSError, ValueError):
            found = False
        if not found:
            hint = "it is a folder" if os.path.isdir(text) else "no such file"
            raise UserError(fault(place, text, "a recipe's name or file", hint))
        return path
    files = recipe_files()
    if text not in files:
        hint = did_you_mean(text, files) or "see `transferkit recipes list`"
        raise UserError(fault(place, text, f"one of {', '.join(files)}, or a file", hint))
    return files[text]


def read(path: Path, kind: str = "file") -> tuple[Layer, str | None]:
    """One file as a layer, and what it extends.

    Raises:
        UserError: the file cannot be read, or is no TOML.
    """
    name = _shown(path)
    try:
        text = read_bounded(path, name).decode("utf-8")
        check_text(text, name)
        values = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise UserError(fault(name, hint=f"no text in UTF-8 (byte {error.start})")) from None
    except OSError as error:
        raise UserError(fault(name, hint=f"cannot be read: {error.strerror}")) from None
    except RecursionError:
        raise UserError(fault(name, hint="no valid TOML: nested too deeply")) from None
    except ValueError as error:
        raise UserError(fault(name, hint=f"no valid TOML: {error}")) from None
    check_bounds(values, name)
    # tomllib takes Windows's line ends for newlines, and so must whoever counts lines.
    lines = toml_positions(text.replace("\r\n", "\n"))
    origin = Origin(kind, name)
    parent = values.pop("extends", None)
    if parent is not None and not (isinstance(parent, str) and parent):
        place = Origin(kind, name, lines.get(("extends",))).place("extends")
        raise UserError(fault(place, parent, "the name or the file of another recipe"))
    return Layer(_checked(expand(values), origin), origin, lines), parent


class NoParentError(UserError):
    """What a recipe extends is not to be found.

    Attributes:
        layers: the files that were read until then.
    """

    def __init__(self, layers: list[Layer], *faults: str) -> None:
        super().__init__(*faults)
        self.layers = layers


def chain(path: Path) -> list[Layer]:
    """A file and all that it extends, the furthest parent first.

    Raises:
        NoParentError: what a file extends is not to be found.
        UserError: a parent is no TOML, or the files extend each other in a circle.
    """
    layers: list[Layer] = []
    seen: list[Path] = []
    while True:
        if path.resolve() in seen or len(seen) >= MOST_PARENTS:
            raise UserError(
                fault(
                    _shown(path),
                    hint="extends itself, by way of others" if len(seen) > 1 else "extends itself",
                )
            )
        seen.append(path.resolve())
        layer, parent = read(path, "parent" if layers else "file")
        layers.insert(0, layer)
        if parent is None:
            return layers
        place = Origin("file", _shown(path), layer.lines.get(("extends",))).place("extends")
        named = parent.endswith(".toml") or "/" in parent
        try:
            following = find(parent, place, path.parent if named else None)
        except UserError as error:
            raise NoParentError(layers, *error.faults) from None
        # What ships with transferkit is made of what ships with it.
        if path.resolve().parent == shipped("recipes").resolve():
            following = shipped("recipes") / following.name
        # ./recipes/retrain.toml may extend the shipped recipe of its own name.
        if following.resolve() == path.resolve() and not named:
            following = shipped("recipes") / f"{parent}.toml"
        path = following


def _shown(path: Path) -> str:
    try:
        if path.resolve().parent == shipped("recipes").resolve():
            return path.name
    except OSError:
        pass
    return str(path)


def _checked(values: NamedValues, origin: Origin) -> NamedValues:
    """Refuses what JSON, through which values are checked, cannot say."""
    import json

    def refuse(value: Any) -> Any:
        raise UserError(
            fault(origin.file or "recipe", str(value), "text in quotes", "no key takes a date or time")
        )

    json.dumps(values, default=refuse)
    return values
