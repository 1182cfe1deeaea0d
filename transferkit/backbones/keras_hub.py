"""Presets of KerasHub as backbones (needs the extra ``transferkit[keras-hub]``)."""

from __future__ import annotations

from typing import Any

from transferkit.backbones._keras import keras, own_names
from transferkit.backbones.digest import of_variables
from transferkit.backbones.flatten import flat, free_name
from transferkit.backbones.functional import FunctionalBackbone
from transferkit.backbones.stages import stages_of
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
    card: Card | None = None,
) -> FunctionalBackbone:
    """Loads an image backbone of KerasHub; its image converter's scale and offset join the graph.

    Args:
        preset: a preset's name or the folder of one.
        reference: what the user wrote.
        weights: ``"random"``, or else those of the preset.
        input_size: height and width; the converter's own if None.
        card: the facts, where a card names the preset.

    Raises:
        UserError: KerasHub is not installed, the preset is unavailable, or it is no image backbone.
    """
    try:
        import keras_hub
    except ImportError as error:
        raise UserError(
            fault(
                "backbone", reference, hint=f"needs KerasHub ({error}): pip install 'transferkit[keras-hub]'"
            )
        ) from error
    with own_names():
        try:
            network = keras_hub.models.Backbone.from_preset(preset, load_weights=weights != "random")
            converter = keras_hub.layers.ImageConverter.from_preset(preset)
        except Exception as error:
            raise UserError(
                fault(
                    "backbone",
                    reference,
                    "an image preset that is available",
                    f"KerasHub says: {_first(error)}. Without a network name the folder of a preset, as "
                    "save_to_preset of KerasHub writes it: keras_hub:PATH",
                )
            ) from error
        size = tuple(input_size or getattr(converter, "image_size", None) or _USUAL_SIZE)
        images = keras.Input((*size, 3), dtype="float32", name=free_name("images", network))
        x = images
        # A converter resizes too; here images have their size already.
        if converter.scale is not None or converter.offset is not None:
            scale = 1.0 if converter.scale is None else converter.scale
            offset = 0.0 if converter.offset is None else converter.offset
            x = keras.layers.Rescaling(scale, offset, name=free_name("pixels", network))(x)
        try:
            features = flat(network, x)
        except (ValueError, TypeError) as error:
            hint = f"the preset does not take {size[0]} x {size[1]} pixels: {_first(error)}"
            raise UserError(fault("backbone.input_size", list(size), hint=hint)) from error
        pooled = _pooled(features, free_name("pool", network), reference)
        model = keras.Model(images, pooled, name="preset")
    return FunctionalBackbone(
        model,
        name=card.name if card else preset.rstrip("/").rpartition("/")[2],
        reference=reference,
        stages=stages_of(model, card),
        weights=weights if weights == "random" else reference,
        weights_sha256=of_variables(model.weights),
        card=card,
    )


def _pooled(output: Any, name: str, reference: str) -> Any:
    if isinstance(output, dict):
        # A feature pyramid: its last level is the deepest.
        output = output[sorted(output)[-1]]
    rank = len(output.shape)
    if rank == 4:
        return keras.layers.GlobalAveragePooling2D(name=name)(output)
    if rank == 3:
        return keras.layers.GlobalAveragePooling1D(name=name)(output)
    if rank == 2:
        return output
    raise UserError(fault(f"backbone {reference}", list(output.shape), "features, a map or a row of tokens"))


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
