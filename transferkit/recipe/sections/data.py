"""Which images, how they are split, and how they come to the backbone's size."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from transferkit.recipe._model import Section
from transferkit.recipe.colour import read_background

__all__ = ["DataSection"]

Share = Annotated[float, Field(ge=0, lt=1)]
Level = Annotated[int, Field(ge=0, le=255)]


class DataSection(Section):
    """Which images, how they are split, and how they come to the backbone's size."""

    separate_keys = True

    path: str | None = Field(None, description="folder, manifest or archive of labelled images")
    validation: Share = Field(
        0.15, description="share of the images kept for validation where the data brings no validation split"
    )
    # A test split is taken by default: the best checkpoint is chosen on the validation images, so what it
    # reaches there is no estimate of what it will reach on new ones.
    test: Share = Field(0.15, description="share kept for the test where the data brings no splits at all")
    split_seed: int = Field(
        0, ge=0, description="seed of the split; another one assigns the images differently"
    )
    ledger: str | None = Field(
        None,
        min_length=1,
        description="split.csv of an earlier run, or its folder: images in it keep the split that it gives",
    )
    edits: str | None = Field(
        None,
        min_length=1,
        description="file of decisions on single photos (transferkit data review): relabel, drop; the photos "
        "stay as they are",
    )
    resize: Literal["stretch", "crop", "pad"] = Field(
        "stretch",
        description="how an image is brought to the input size: stretch (distorted), crop (edges cut) or pad "
        "(with borders)",
    )
    background: str | tuple[Level, Level, Level] = Field(
        "white",
        description='colour behind transparent pixels: a name, "#rrggbb" or [r, g, b]; '
        '"drop" ignores transparency',
    )
    exif: Literal["apply", "ignore"] = Field(
        "apply", description="whether photos are turned upright by their EXIF orientation"
    )
    depth: Literal["auto", "format"] | Annotated[int, Field(ge=8, le=16)] = Field(
        "auto",
        description="range of samples of more than 8 bits: by each image's values (8, 10, 12, 14 or 16 "
        "bits), by the file format, or this many bits",
    )
    encoding: str | None = Field(
        None,
        min_length=1,
        description='encoding of a manifest that is not UTF-8, such as "cp1252" or "gb18030"',
    )
    columns: dict[Literal["path", "label", "labels", "split", "group"], str] = Field(
        default_factory=dict,
        description='a manifest\'s column names, where they are not the usual ones: { path = "id", label = '
        '"breed" }',
    )
    root: str | None = Field(
        None, min_length=1, description="folder that a manifest's paths start from; by default its own"
    )
    path_suffix: str | None = Field(
        None, min_length=1, description='ending that is added to a manifest\'s paths, such as ".jpg"'
    )
    max_missing: Share = Field(
        0.05,
        description="largest share of listed files that may be missing; missing ones are left out and listed",
    )
    max_beyond_limits: Share = Field(
        0.05,
        description="largest share of files that may be above max_bytes, max_pixels or max_side; they are "
        "left out and listed",
    )
    max_unreadable: Share = Field(
        0.05, description="largest share of files that may be unreadable; they are left out and listed"
    )
    min_per_class: int = Field(1, ge=1, description="least number of images of each class")
    max_bytes: int = Field(100_000_000, gt=0, description="larger files are left out unopened")
    max_pixels: int = Field(
        100_000_000,
        gt=0,
        description="width times height, read from the header; larger images are left out undecoded",
    )
    max_side: int = Field(
        60_000, gt=0, description="pixels of the longer side; larger images are left out undecoded"
    )
    follow_links: bool = Field(
        False,
        description="follow symbolic links, of files and of folders, that lead out of the data folder; those "
        "that stay within it are always followed",
    )
    classes: tuple[str, ...] | str | None = Field(
        None,
        description="the classes in their order: a list, or a file with one name on each line; by default "
        "they are "
        "sorted by name, integers as numbers",
    )

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                "".encode(name)  # codecs of bytes, such as hex, do not take it
            except LookupError:
                raise ValueError(f"received {name!r}, expected an encoding that Python knows") from None
        return name

    @field_validator("background")
    @classmethod
    def _is_colour(cls, value: str | tuple[int, int, int]) -> str | tuple[int, int, int]:
        read_background(value)
        return value

    @model_validator(mode="after")
    def _leaves_images(self) -> DataSection:
        if self.validation + self.test >= 1:
            raise ValueError(
                f"received validation = {self.validation} and test = {self.test}, "
                "expected a sum below 1; something must be left to train on"
            )
        return self
