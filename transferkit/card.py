"""Backbone cards: what there is to know about a backbone, as data.

A card is a TOML file ``NAME.toml``; the name of the backbone is the name of the file. It either names a
``constructor`` (a function of ``keras.applications``, or one of transferkit's own) or a ``handle``
(``hub:``, ``saved_model:``, ``keras_file:``, ``keras_hub:``, ``hf:``, ``kaggle:``), and states the facts
that a user chooses by and that the adapters work from. It holds no logic. A test builds every shipped card
and compares each fact with the built model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

__all__ = [
    "HANDLES",
    "NORMALISATIONS",
    "Card",
    "InnerScale",
    "Normalisation",
    "Weights",
]

Normalisation = Literal["tf", "torch", "caffe", "unit", "lite", "none"]

# What each normalisation makes of a pixel of 0..255: the range of the values, and in words.
NORMALISATIONS: dict[str, tuple[tuple[float, float], str]] = {
    "tf": ((-1.0, 1.0), "RGB, x / 127.5 - 1"),
    "torch": ((-2.118, 2.64), "RGB, x / 255, less the ImageNet mean, by the ImageNet deviation"),
    "caffe": ((-123.68, 151.061), "BGR, less the ImageNet mean"),
    "unit": ((0.0, 1.0), "RGB, x / 255"),
    "lite": ((-127 / 128, 1.0), "RGB, (x - 127) / 128"),
    "none": ((0.0, 255.0), "RGB, unchanged (the network rescales inside)"),
}

# What a reference may begin with, before a colon, when it is no card's.
HANDLES = ("hf", "hub", "kaggle", "keras_file", "keras_hub", "saved_model")

Size = tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Weights(_Strict):
    """Where the pretrained weights come from.

    ``file`` names a file beside the card, or with ``package`` a file that this installed package brings.
    Without it a ``keras.applications`` constructor gets its ImageNet weights from ``source`` through Keras's
    own cache.
    """

    source: str = Field(description="web address or, for weights made here, the script that makes them")
    licence: str
    cached_as: str | None = Field(
        None, description="name in Keras's cache, where it is not source's last part"
    )
    file: str | None = Field(None, description="weights file beside the card, or below the package's folder")
    package: str | None = Field(None, description="name of the distribution that brings the file")
    extra: str | None = Field(None, description="extra of transferkit that installs the package")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="of the file, compared before use")
    data: str = Field("ImageNet-1k", description="what the weights were trained on")


class InnerScale(_Strict):
    """A factor for each channel that Keras puts after a layer only when it loads its ImageNet weights.

    EfficientNet (not V2) has one: its weights were trained with a normalisation that divides by the
    deviation once more than the layer that was to do it.
    """

    after: str
    factors: tuple[float, float, float]


class Card(_Strict):
    """The facts of one backbone.

    Attributes:
        name: the file's name without ``.toml``.
        path: the file itself.
        size, minimum: height and width in pixels.
        feature_width: length of the pooled feature vector.
        parameters: number of weights without any classification top, moving statistics included.
        gflops: forward cost of one image at ``size`` in 1e9 operations; a multiply-add counts as two.
        imagenet_top1: share of ImageNet's validation images named rightly, where ``paper`` or the
            documentation of the weights states it.
        stages: from the input up, each with the layer whose output ends it.
    """

    summary: str = Field(min_length=1)
    constructor: str | None = None
    handle: str | None = None
    arguments: dict[str, float | int | bool | str] = Field(default_factory=dict)
    family: str = Field(min_length=1)
    size: Size
    minimum: Size | None = None
    normalisation: Normalisation = "none"
    inner_scale: InnerScale | None = None
    feature_width: int = Field(gt=0)
    parameters: int = Field(gt=0)
    gflops: float | None = Field(None, gt=0)
    imagenet_top1: float | None = Field(None, gt=0, lt=1)
    licence: str = Field(min_length=1, description="licence of the architecture's code")
    paper: str | None = None
    notes: str | None = None
    weights: Weights | None = None
    stages: dict[str, str] = Field(default_factory=dict)

    _path: Path = PrivateAttr()

    @property
    def name(self) -> str:
        return self._path.stem

    @property
    def path(self) -> Path:
        return self._path

    @property
    def pixel_range(self) -> tuple[float, float]:
        """Least and greatest value that the network sees after its normalisation."""
        return NORMALISATIONS[self.normalisation][0]

    @property
    def weights_from(self) -> str | None:
        """Where the pretrained weights come from, in a word: shipped, a package, Kaggle, or a download."""
        if self.weights is None:
            return None
        if self.weights.package is not None:
            return "package"
        if self.weights.file is not None:
            return "shipped"
        return "Kaggle" if self.weights.source.startswith("kaggle:") else "download"

    @property
    def weights_file(self) -> Path | None:
        """The weights file beside the card, where the card names one."""
        if self.weights is None or self.weights.file is None or self.weights.package is not None:
            return None
        return self._path.parent / self.weights.file

    @model_validator(mode="after")
    def _agrees(self) -> Card:
        if (self.constructor is None) == (self.handle is None):
            raise ValueError("expected exactly one of 'constructor' and 'handle'")
        if self.minimum and any(
            least > default for least, default in zip(self.minimum, self.size, strict=True)
        ):
            raise ValueError(f"expected minimum no larger than size {list(self.size)}")
        ends = list(self.stages.values())
        twice = sorted({layer for layer in ends if ends.count(layer) > 1})
        if twice:
            raise ValueError(
                f"expected each stage to end at another layer, received {', '.join(twice)} twice"
            )
        return self
