"""Presets of KerasHub as backbones (needs the extra ``transferkit[keras-hub]``)."""

from __future__ import annotations

from typing import Any

from transferkit.backbones._keras import keras, own_names
from transferkit.backbones.backbone import Origin, Stage
from transferkit.backbones.flatten import flat, free_name
from transferkit.backbones.functional import FunctionalBackbone
from transferkit.backbones.keras_hub.pooling import check_pooling, pooled
from transferkit.backbones.keras_hub.preset import BoundSizeError, Tower, open_preset
from transferkit.backbones.keras_hub.unroll import unrolled
from transferkit.backbones.layer_graph import steps
from transferkit.backbones.stages import stages_of
from transferkit.backbones.weights.digest import of_variables
from transferkit.backbones.weights.fetched import kaggle_folder
from transferkit.card import Card
from transferkit.errors import UserError, fault

__all__ = ["load_keras_hub"]

_USUAL_SIZE = (224, 224)


def load_keras_hub(
    preset: str,
    *,
    reference: str,
    weights: str = "imagenet",
    input_size: tuple[int, int] | None = None,
    pooling: str | None = None,
    card: Card | None = None,
) -> FunctionalBackbone:
    """Loads an image backbone of KerasHub; its image converter's scale and offset join the graph.

    Args:
        preset: a preset's name or the folder of one.
        reference: what the user wrote.
        weights: ``"random"``, or else those of the preset.
        input_size: height and width; the card's, else the converter's own if None.
        pooling: ``"cls"`` (the class token), ``"mean"`` (of the patch tokens, or of a map) or ``"cls+mean"``
            (the one beside the other); what the family is meant for by default.
        card: the facts, where a card names the preset.

    Raises:
        UserError: KerasHub is not installed, the preset is unavailable, or it is no image backbone; it does
            not take images of this size, or has no such pooling.
    """
    check_pooling(pooling)
    try:
        import keras_hub  # noqa: F401
    except ImportError as error:
        hint = f"needs KerasHub ({error}): pip install 'transferkit[keras-hub]'"
        raise UserError(fault("backbone", reference, hint=hint)) from error
    wanted = input_size or (card.size if card is not None else None)
    with own_names():
        tower = _open(preset, reference, weights != "random", wanted)
        size = wanted or tower.size or _USUAL_SIZE
        model = _laid_open(tower, size, pooling, reference)
    origin = Origin(
        name=card.name if card else preset.rstrip("/").rpartition("/")[2],
        reference=reference,
        weights=weights if weights == "random" else reference,
        weights_sha256=of_variables(model.weights),
        card=card,
    )
    before = tower.family.before(tower.network)
    return FunctionalBackbone(model, origin, _stages(model, tower, card), before)


def _open(preset: str, reference: str, weights: bool, size: tuple[int, int] | None) -> Tower:
    try:
        tower = open_preset(preset, weights, size)
    except BoundSizeError as error:
        hint = f"the weights of {reference} have positions for this size alone"
        raise UserError(fault("backbone.input_size", list(size or ()), str(list(error.size)), hint)) from None
    except Exception as error:
        if size is not None and "image_shape" in str(error):
            hint = f"the preset does not take {size[0]} x {size[1]} pixels: {_first(error)}"
            raise UserError(fault("backbone.input_size", list(size), hint=hint)) from error
        raise UserError(
            fault(
                "backbone",
                reference,
                "an image preset that is available",
                f"KerasHub says: {_first(error)}. {_kept_at(preset)}Without a network name the folder of a "
                "preset, as save_to_preset of KerasHub writes it: keras_hub:PATH",
            )
        ) from error
    if len(tower.network.inputs) != 1:
        kind = type(tower.network).__name__
        hint = "a network that takes texts or points beside images is no backbone for images"
        raise UserError(fault("backbone", reference, "a network that takes images alone", f"{kind}: {hint}"))
    return tower


def _kept_at(preset: str) -> str:
    """Where a preset that KerasHub lists would lie."""
    import keras_hub

    handle = keras_hub.models.Backbone.presets.get(preset, {}).get("kaggle_handle")
    if handle is None:
        return ""
    return f"{handle} is kept at {kaggle_folder(handle)} (KAGGLEHUB_CACHE names the cache). "


def _laid_open(tower: Tower, size: tuple[int, int], pooling: str | None, reference: str) -> Any:
    """The flat model from raw images to features."""
    network, converter = tower.network, tower.converter
    images = keras.Input((*size, 3), dtype="float32", name=free_name("images", network))
    x = images
    # A converter resizes too; here images have their size already.
    if converter.scale is not None or converter.offset is not None:
        scale = 1.0 if converter.scale is None else converter.scale
        offset = 0.0 if converter.offset is None else converter.offset
        x = keras.layers.Rescaling(scale, offset, name=free_name("pixels", network))(x)
    try:
        x = flat(network, x, lambda layer, *args: unrolled(network, layer, size, args[0]))
        if tower.norm is not None:
            x = tower.norm(x)
    except (ValueError, TypeError) as error:
        hint = f"the preset does not take {size[0]} x {size[1]} pixels: {_first(error)}"
        raise UserError(fault("backbone.input_size", list(size), hint=hint)) from error
    features = pooled(x, pooling, tower.family, tower.family.before(network), reference)
    return keras.Model(images, features, name="preset")


def _stages(model: keras.Model, tower: Tower, card: Card | None) -> tuple[Stage, ...]:
    """Those of the card; else the blocks, where the family has such; else wherever the map gets smaller."""
    blocks = [
        step.name
        for step in steps(model)
        if step.cuttable and _kind(model.get_layer(step.name)) in tower.family.blocks
    ]
    if (card is not None and card.stages) or not blocks:
        return stages_of(model, card)
    return (
        *(Stage(f"block_{number}", name) for number, name in enumerate(blocks)),
        Stage("top", model.layers[-1].name),
    )


def _kind(layer: keras.Layer) -> str:
    for held in ("block", "part"):
        layer = getattr(layer, held, layer)
    return type(layer).__name__


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
