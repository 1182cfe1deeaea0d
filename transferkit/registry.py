"""The components that recipes name: heads, schedules, losses, augmentations, each one small module.

A component is a pydantic model in a module of its name: ``transferkit/heads/mlp.py`` holds the head ``mlp``,
and its fields are the arguments that a recipe may give. Being in the folder is all the registration there is.
A component of one's own is named by its dotted path (``my_package.my_module:MyHead``; the current folder
counts), or is offered by an installed package under the entry point group ``transferkit.heads``.

A dotted path is imported only once it was admitted (:func:`transferkit.recipe.checks.named_code.admit_code`
does that for the verbs that need it): to look it up, :func:`transferkit.dotted_path.locate` reads its file
and runs nothing.

Components import neither TensorFlow nor Keras when they are imported, so that a recipe is checked at once.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from transferkit.discovery import offered, own_modules
from transferkit.dotted_path import current_folder_counts, locate
from transferkit.errors import UserError, did_you_mean, fault

__all__ = [
    "Component",
    "Registry",
    "admit",
    "import_dotted",
    "is_admitted",
    "is_dotted",
    "registry",
]

# Dotted paths whose code may run in this process, each with the file that was announced.
_ADMITTED: dict[str, Path | None] = {}


class Component(BaseModel):
    """What a recipe can name: validates its arguments when it is made, and cannot change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Registry:
    """All components of one kind.

    Args:
        kind: the folder of the package that holds them, such as ``"heads"``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.group = f"transferkit.{kind}"

    def names(self) -> list[str]:
        """The names that a recipe may use, sorted. Imports nothing."""
        return sorted({*own_modules(self.kind), *offered(self.group)})

    def get(self, name: str, place: str | None = None) -> type[Component]:
        """The component of a name, or of a dotted path ``package.module:Name``.

        Args:
            name: as the recipe has it.
            place: where the name stands, for the error.

        Raises:
            UserError: there is no such component; near names are offered.
        """
        place = place or self.kind
        if ":" in name:
            return self._own(name, place)
        installed = offered(self.group)
        if name in installed:
            # Code that somebody installed, like our own: a file cannot bring it along.
            return self._checked(installed[name].load(), name, place)
        names = self.names()
        if name not in names:
            raise UserError(
                fault(
                    place,
                    name,
                    f"one of {', '.join(names)}, or package.module:Name",
                    did_you_mean(name, names),
                )
            )
        module = importlib.import_module(f"transferkit.{self.kind}.{name}")
        components = [
            one for _, one in inspect.getmembers(module, _is_component) if one.__module__ == module.__name__
        ]
        public = [one for one in components if not one.__name__.startswith("_")]
        if len(public) != 1:
            raise TypeError(f"{module.__name__} must hold exactly one component, holds {len(public)}")
        result: type[Component] = public[0]
        return result

    def _own(self, path: str, place: str) -> type[Component]:
        return self._checked(import_dotted(path, place), path, place)

    def _checked(self, component: Any, name: str, place: str) -> type[Component]:
        # The base class itself says what a component of this kind must be able to do.
        base: type[Component] = importlib.import_module(f"transferkit.{self.kind}").Base
        if not (inspect.isclass(component) and issubclass(component, base)):
            raise UserError(
                fault(place, name, f"a class that extends transferkit.{self.kind}.{base.__name__}")
            )
        return component


def is_dotted(name: object) -> bool:
    """Whether a name is a dotted path ``package.module:Name``, and no name of the registry."""
    return isinstance(name, str) and ":" in name


def is_admitted(path: str) -> bool:
    """Whether a dotted path may be imported in this process."""
    return path in _ADMITTED


def admit(path: str, file: Path | None) -> None:
    """Lets a dotted path be imported in this process, from this file alone."""
    _ADMITTED[path] = file


def import_dotted(path: str, place: str) -> Any:
    """What a dotted path ``package.module:Name`` leads to; the current folder counts.

    Args:
        path: as the recipe has it.
        place: where it stands, for the error.

    Raises:
        UserError: it leads nowhere, or was not admitted.
    """
    if not is_admitted(path):
        hint = "its code was not admitted; transferkit.recipe.admit_code(recipe) does that"
        raise UserError(fault(place, path, hint=hint))
    module_name, _, attribute = path.partition(":")
    try:
        # Between its announcement and now the file could have come to be another.
        if locate(path).file != _ADMITTED[path]:
            raise ValueError(f"it is no longer that of {_ADMITTED[path]}")
        with current_folder_counts():
            return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, SyntaxError, ValueError, TypeError, OSError) as error:
        raise UserError(fault(place, path, "package.module:Name", str(error))) from None


def registry(kind: str) -> Registry:
    """The registry of one kind: ``"heads"``, ``"schedules"``, ``"losses"`` or ``"augmentation"``."""
    return Registry(kind)


def _is_component(thing: object) -> bool:
    return inspect.isclass(thing) and issubclass(thing, Component)
