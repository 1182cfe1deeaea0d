"""How encoded images become pixels: the one value that training, cache, prediction and export share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transferkit.recipe.colour import WHITE, Colour, read_background
from transferkit.recipe.sections import DataSection
from transferkit.type_names import NamedValues

__all__ = ["DECODER_VERSION", "DEPTHS", "RESIZES", "Decoding"]

# Part of every cache key: raised whenever the pixels that come out for the same bytes change.
DECODER_VERSION = 2
RESIZES = ("stretch", "crop", "pad")
# Significant bits that `depth = "auto"` tells apart.
DEPTHS = (8, 10, 12, 14, 16)


@dataclass(frozen=True)
class Decoding:
    """What decides the pixels that come out for given bytes. See :mod:`transferkit.data.pixels.decode`.

    Attributes:
        size: height and width of the result in pixels.
        resize: ``"stretch"`` changes the aspect ratio, ``"crop"`` takes the largest central part of the
            wanted ratio, ``"pad"`` fits the whole image in and fills the rest with black.
        background: the colour behind transparent pixels, RGB of 0..255; None ignores transparency.
        exif: whether the EXIF orientation is applied.
        depth: how samples of more than 8 bits are scaled: ``"auto"`` by the values of each image,
            ``"format"`` by the range of its format, or their number of significant bits, 8 to 16.

    Raises:
        ValueError: ``resize``, ``background`` or ``depth`` is none of these.
    """

    size: tuple[int, int]
    resize: str = "stretch"
    background: Colour | None = WHITE
    exif: bool = True
    depth: str | int = "auto"

    def __post_init__(self) -> None:
        if self.resize not in RESIZES:
            raise ValueError(f"resize: received {self.resize!r}, expected one of {', '.join(RESIZES)}")
        if self.depth not in ("auto", "format") and self.depth not in range(8, 17):
            raise ValueError(f"depth: received {self.depth!r}, expected auto, format or 8 to 16")
        ground = self.background
        if ground is not None and (len(ground) != 3 or any(level not in range(256) for level in ground)):
            raise ValueError(f"background: received {ground!r}, expected three numbers of 0 to 255, or None")

    @classmethod
    def of(cls, data: DataSection, size: tuple[int, int]) -> Decoding:
        """What a recipe's ``[data]`` states, for a backbone's input size."""
        ground = read_background(data.background)
        return cls((int(size[0]), int(size[1])), data.resize, ground, data.exif == "apply", data.depth)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Decoding:
        """The inverse of :meth:`to_dict`."""
        ground = facts["background"]
        return cls(
            tuple(facts["size"]),
            facts["resize"],
            None if ground is None else tuple(ground),
            facts["exif"],
            facts["depth"],
        )

    def to_dict(self) -> NamedValues:
        """The fields as JSON holds them."""
        ground = self.background
        return {
            "size": list(self.size),
            "resize": self.resize,
            "background": None if ground is None else list(ground),
            "exif": self.exif,
            "depth": self.depth,
        }

    def identity(self) -> NamedValues:
        """What a cache of results made from these pixels is keyed by."""
        return {**self.to_dict(), "decoder": DECODER_VERSION}

    def describe(self) -> str:
        """What happens to a photo before the network, in half a sentence for people."""
        how = {
            "stretch": "stretched",
            "crop": "cut to their middle and resized",
            "pad": "fitted in with borders",
        }
        turned = "turned upright by their EXIF orientation, " if self.exif else ""
        ground = "without their transparency"
        if self.background is not None:
            ground = f"laid over the colour #{bytes(self.background).hex()} where they are transparent"
        return f"{turned}{ground}, {how[self.resize]} to {self.size[0]} x {self.size[1]}"
