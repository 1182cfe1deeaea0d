"""What every part of a recipe is: strict, unchangeable, and willing to take its short form."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from transferkit.type_names import NamedValues

__all__ = ["Named", "Section", "section_title"]


def section_title(name: str) -> str:
    """What editors show of a section, from its class's name: ``Head`` of ``HeadSection``."""
    return name.removesuffix("Section")


class Section(BaseModel):
    """A table of a recipe. An unknown key is a fault, and nothing changes once it is made.

    Attributes:
        separate_keys: each key means the same whatever is beside it, so one beside a wrong one is checked.
    """

    # `inf` and `nan` are valid TOML floats, and never a rate, a share or a size that someone means.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        model_title_generator=lambda model: section_title(model.__name__),
    )

    separate_keys: ClassVar[bool] = False


class Named(BaseModel):
    """A table whose key ``kind`` (or ``name``) says what its other keys may be.

    The other keys are the arguments of the component that is named;
    :mod:`transferkit.recipe.checks.components` checks them and fills in those that are not given.
    """

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        allow_inf_nan=False,
        model_title_generator=lambda model: section_title(model.__name__),
    )

    tag: ClassVar[str] = "kind"
    registry: ClassVar[str] = ""

    @property
    def options(self) -> NamedValues:
        """The arguments, without the name."""
        return dict(self.model_extra or {})
