"""What a caller of ``retrain`` asks for, as one thing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from transferkit.files.cache_location import writable_cache_folder
from transferkit.training.progress_event import ProgressEvent
from transferkit.type_names import NamedValues, Override

__all__ = ["RunRequest"]


@dataclass(frozen=True)
class RunRequest:
    """A recipe with what is to differ from it, the place of the run, and how to run it.

    Attributes:
        recipe: a recipe's name or file; the default one if None.
        run: the folder of the run; one named by backbone and time if None.
        overrides: ``"key=value"`` with a TOML value, or ``(dotted key, value)`` pairs.
        values: top-level keys of the recipe.
        resume: continue an interrupted run.
        overwrite: replace a run.
        fail_under: gates on the evaluation; the recipe's if None.
        quiet: show no progress.
        callback: a program's, that is told of each step.
    """

    recipe: str | os.PathLike[str] | None = None
    run: str | os.PathLike[str] | None = None
    overrides: Sequence[Override] = ()
    values: NamedValues = field(default_factory=dict)
    resume: bool = False
    overwrite: bool = False
    fail_under: str | float | None = None
    quiet: bool = False
    callback: Callable[[ProgressEvent], None] | None = None

    @property
    def changes_recipe(self) -> bool:
        """Whether it names a recipe, or anything that is to differ from it."""
        given = any(value is not None for value in self.values.values())
        return self.recipe is not None or bool(self.overrides) or given

    def with_data_at_a_path(self) -> RunRequest:
        """The same, with data that is named or held by a program as the recipe's ``data.path``.

        Raises:
            UserError: what the program holds is no set of labelled images.
        """
        values = dict(self.values)
        data = values.get("data")
        if isinstance(data, str | os.PathLike):
            written: NamedValues = {"data.path": os.fspath(data)}
        elif data is None or _is_section(data):
            return self
        else:
            from transferkit.data.in_memory import write_source

            written = write_source(data, writable_cache_folder() / "sources")
        del values["data"]
        return replace(self, values=values, overrides=[*written.items(), *self.overrides])


def _is_section(data: Any) -> bool:
    """Whether it is the table ``[data]`` of a recipe, rather than images."""
    return (
        isinstance(data, dict)
        and all(isinstance(key, str) for key in data)
        and not any(hasattr(one, "features") for one in data.values())
    )
