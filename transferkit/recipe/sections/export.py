"""What the run hands over."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from transferkit.discovery import modules
from transferkit.errors import did_you_mean
from transferkit.recipe._model import Section
from transferkit.type_names import NamedValues

__all__ = ["ExportSection"]


def _known_format(name: str) -> str:
    known = modules("export.formats").names()
    if name not in known:
        hint = did_you_mean(name, known)
        raise ValueError(
            f"received {name!r}, expected one of {', '.join(known)}" + (f"; {hint}" if hint else "")
        )
    return name


def _formats(schema: NamedValues) -> None:
    schema["enum"] = modules("export.formats").names()


# Whatever lies among the formats, or is offered by an installed package.
Format = Annotated[str, AfterValidator(_known_format), Field(json_schema_extra=_formats)]


class ExportSection(Section):
    """What the run hands over."""

    separate_keys = True

    formats: tuple[Format, ...] = Field(
        ("saved_model",), description="formats to write; the SavedModel is always written"
    )
    parity: bool | Annotated[int, Field(ge=1, le=100_000)] = Field(
        True, description="run every export on this many held-out images and compare it with the model"
    )
    agreement: float = Field(
        0.98,
        gt=0,
        le=1,
        description="smallest share of these images on which a quantised format must give the model's label",
    )
    temperature: bool = Field(
        True, description="include the fitted temperature, where evaluation.calibrate is on"
    )

    @model_validator(mode="after")
    def _once(self) -> ExportSection:
        if len(set(self.formats)) < len(self.formats):
            raise ValueError("formats: expected each format once")
        return self
