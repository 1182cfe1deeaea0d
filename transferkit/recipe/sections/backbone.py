"""The pretrained network."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from transferkit.recipe._model import Section
from transferkit.type_names import NamedValues

__all__ = ["Backbone"]

Side = Annotated[int, Field(gt=0, le=8192)]


class Backbone(Section):
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
    def size(self) -> tuple[int, int] | None:
        """Height and width in pixels, or None for the card's own."""
        return self.input_size
