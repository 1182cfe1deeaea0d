"""The pretrained network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from transferkit.recipe._model import Section
from transferkit.type_names import NamedValues

__all__ = ["CROPS", "BackboneSection", "Look"]

# Another look at an image: its mirror image, or the part of it at this place.
Look = Literal["mirror", "middle", "top_left", "bottom_right", "top_right", "bottom_left"]
CROPS: tuple[Look, ...] = ("middle", "top_left", "bottom_right", "top_right", "bottom_left")

Side = Annotated[int, Field(gt=0, le=8192)]


class BackboneSection(Section):
    """The pretrained network. Short form: its name."""

    name: str = Field(
        "efficientnet_lite0",
        min_length=1,
        description="card name, card:PATH, hub:HANDLE, saved_model:PATH, keras_file:PATH, keras_hub:PRESET, "
        "hf://ORG/REPO or kaggle://OWNER/MODEL/FRAMEWORK/VARIATION",
    )
    weights: str = Field("imagenet", min_length=1, description='"imagenet", "random", or a path')
    input_size: tuple[Side, Side] | None = Field(
        None, description="height and width in pixels; short form: one number; the card's size by default"
    )
    options: NamedValues = Field(default_factory=dict, description="arguments of the backbone's constructor")
    join: tuple[str, ...] = Field(
        (),
        max_length=4,
        description="further backbones, at the same input size, whose features are appended to this one's; "
        "all are frozen",
    )
    mirror: bool = Field(
        False,
        description="features are the mean of those of an image and of its mirror image, in training and in "
        "every answer; frozen",
    )

    crops: int = Field(
        0,
        ge=0,
        le=5,
        description="features are the mean of those of an image and of so many crops of it, the middle and "
        "the corners, each 0.8 of its height and width, in training and in every answer; frozen",
    )

    @field_validator("options")
    @classmethod
    def _leaves_the_size(cls, value: NamedValues) -> NamedValues:
        for name in ("size", "image_size", "input_size", "input_shape"):
            if name in value:
                raise ValueError(
                    f"received {name} = {value[name]!r}, expected the size of images elsewhere; "
                    "say backbone.input_size = 320, or [height, width]"
                )
        return value

    @field_validator("options")
    @classmethod
    def _allows_no_code(cls, value: NamedValues) -> NamedValues:
        for name in ("trust", "allow_code"):
            if name in value:
                raise ValueError(
                    f"received {name} = {value[name]!r}, expected no permission to run code in a recipe; "
                    "leave it out and say --allow-code on the command line"
                )
        return value

    @property
    def looks(self) -> tuple[Look, ...]:
        """What features are taken of beside the image itself."""
        mirror: tuple[Look, ...] = ("mirror",) if self.mirror else ()
        return mirror + CROPS[: self.crops]

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width in pixels, or None for the card's own."""
        return self.input_size
