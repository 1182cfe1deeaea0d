"""How the networks of each family of KerasHub's give their features, and what their blocks are called.

A network of maps is averaged over its last map. One of tokens has a class token, which its training made to
stand for the whole image, and patch tokens; some have register tokens beside them, scratch paper of the
attention that says nothing of the image and is never averaged in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from transferkit.keras_import import keras

__all__ = ["MAPS", "POOLINGS", "Family", "family_of", "known_families"]

Pooling = Literal["cls", "mean", "cls+mean"]
POOLINGS: tuple[Pooling, ...] = ("cls", "mean", "cls+mean")


@dataclass(frozen=True)
class Family:
    """The networks that one class of KerasHub's makes.

    Attributes:
        pooling: what becomes of its tokens where nothing else is said.
        source: who says so.
        before: of a network, how many tokens stand before the patch tokens; the first is the class token.
        blocks: names of the classes of its blocks.
        norm: of a network with two towers, the normalisation that follows the vision tower.
    """

    pooling: Pooling
    source: str
    before: Callable[[Any], int] = lambda network: 0
    blocks: tuple[str, ...] = ()
    norm: str | None = None


def _registers(network: keras.Model) -> int:
    return 1 + int(network.num_register_tokens)


# Averaging the last map is what KerasHub's own classifiers do, as those of keras.applications.
MAPS = Family("mean", "keras_hub.models.ImageClassifier, pooling='avg'")

_FAMILIES = {
    "DINOV2Backbone": Family(
        "cls+mean",
        "the authors' linear classifiers: github.com/facebookresearch/dinov2, dinov2/hub/classifiers.py",
        before=_registers,
        blocks=("DINOV2Layer",),
    ),
    "DINOV3Backbone": Family(
        "cls",
        "the pooled output of the authors' release in Hugging Face's transformers, DINOv3ViTModel",
        before=_registers,
        blocks=("DINOV3Layer",),
    ),
    "ViTBackbone": Family(
        "cls",
        "Dosovitskiy et al. 2021, equation 4; keras_hub.models.ViTImageClassifier, pooling='token'",
        before=lambda network: int(network.use_class_token),
        blocks=("ViTEncoderBlock",),
    ),
    "DeiTBackbone": Family(
        "cls",
        "keras_hub.models.DeiTImageClassifier, pooling='token'; a distillation token follows the class token",
        before=lambda network: 2,
        blocks=("DeiTEncoderBlock",),
    ),
    "CLIPVisionEncoder": Family(
        "cls",
        "Radford et al. 2021, section 2.4; keras_hub's CLIPVisionPooler",
        before=lambda network: 1,
        blocks=("CLIPEncoderLayer",),
    ),
    "MetaCLIP2VisionEncoder": Family(
        "cls",
        "keras_hub's MetaCLIP2VisionPooler, as CLIP",
        before=lambda network: 1,
        blocks=("MetaCLIP2EncoderLayer",),
        norm="vision_post_layer_norm",
    ),
    # Its own attention pools the tokens: what comes out is a vector.
    "SigLIPVisionEncoder": Family(
        "mean", "Zhai et al. 2023: the tower's own attention pooling", blocks=("SigLIPEncoderLayer",)
    ),
    "SwinTransformerBackbone": Family(
        "mean", "Liu et al. 2021, section 3.3", blocks=("SwinTransformerStage",)
    ),
    "MiTBackbone": Family("mean", MAPS.source, blocks=("HierarchicalTransformerEncoder",)),
    "HGNetV2Backbone": Family("mean", MAPS.source, blocks=("HGNetV2Stage",)),
}


def known_families() -> frozenset[str]:
    """Names of KerasHub's classes whose features are taken in a way of their own."""
    return frozenset(_FAMILIES)


def family_of(network: keras.Model) -> Family:
    """The family of a network, by the class that made it or one that this extends; else a network of maps."""
    for one in type(network).__mro__:
        if one.__name__ in _FAMILIES:
            return _FAMILIES[one.__name__]
    return MAPS
