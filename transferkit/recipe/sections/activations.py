"""How the frozen part of the backbone is run, and where its results are kept."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from transferkit.recipe._model import Section

__all__ = ["ActivationsSection"]


class ActivationsSection(Section):
    """How the frozen part of the backbone is run, and where its results are kept."""

    separate_keys = True

    engine: Literal["auto", "tensorflow", "openvino"] = Field(
        "auto",
        description="what runs the frozen part; auto: the fastest engine whose results agree with TensorFlow",
    )
    dtype: Literal["auto", "float32", "float16"] = Field(
        "auto", description="number format of the kept activations"
    )
    max_bytes: int | None = Field(
        None, gt=0, description="largest size of the cache; by default a share of the disk"
    )
    views: int = Field(
        1, ge=1, le=1000, description="augmented views kept of each training image, where augmentation is on"
    )
    cache_dir: str | None = Field(
        None,
        description="folder of the cache, or a URL at which machines share the features; by default the "
        "user's cache folder",
    )
    # `from` is a word of Python, so that it cannot be written as the others are.
    __annotations__["from"] = "tuple[str, ...] | None"
    locals()["from"] = Field(
        None,
        description="folders or URLs that `transferkit features compute` wrote, from which features are "
        "taken; short form: one of them",
    )
    keep: bool = Field(
        True,
        description="keep the features of all images with the run (4 bytes a number, up to 1 GiB): what "
        "extend, forget, similar and the report's map work from when the photos are gone",
    )

    @field_validator("from", mode="before")
    @classmethod
    def _takes_one(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
