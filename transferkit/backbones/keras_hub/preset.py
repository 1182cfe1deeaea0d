"""From a preset to the network for images: of two towers the vision tower alone is built and loaded."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferkit.backbones._keras import keras
from transferkit.backbones.keras_hub.families import Family, family_of
from transferkit.private.keras_names import snake_case

__all__ = ["BoundSizeError", "Tower", "open_preset"]

# Networks that compare images with texts.
TWO_TOWERS = ("CLIPBackbone", "MetaCLIP2Backbone", "SigLIPBackbone")
# Networks whose weights of positions are as many as the patches of one size of images; KerasHub interpolates
# those of DINOv2 alone.
_BOUND = ("ViTBackbone", "DeiTBackbone", "SwinTransformerBackbone")
_SINGLE, _SHARDED = "model.weights.h5", "model.weights.json"


class BoundSizeError(Exception):
    """The weights are for images of one size.

    Attributes:
        size: height and width.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__(f"the weights are for {size[0]} x {size[1]} pixels")
        self.size = size


class Tower:
    """A network for images and its converter.

    Attributes:
        network: a functional model of one input.
        family: how its features are taken.
        norm: a layer that follows the network, or None.
        converter: KerasHub's, which knows the pixels.
        size: height and width of the images that it was made for; None where it takes any.
    """

    def __init__(self, network: keras.Model, norm: Any, converter: Any, size: tuple[int, int] | None) -> None:
        self.network = network
        self.family: Family = family_of(network)
        self.norm = norm
        self.converter = converter
        self.size = size


def open_preset(preset: str, weights: bool, size: tuple[int, int] | None) -> Tower:
    """Opens a preset.

    Args:
        preset: a name, handle or folder.
        weights: load the preset's own; else they are drawn.
        size: height and width of the images; by default what the converter says, else the network's.

    Raises:
        BoundSizeError: the weights are for images of another size.
        Exception: whatever KerasHub raises where the preset is unavailable or takes no images.
    """
    import keras_hub

    from transferkit.private import keras_hub_names

    loader = keras_hub_names.preset_loader(preset)
    kind = loader.check_backbone_class()
    converter = keras_hub.layers.ImageConverter.from_preset(preset)
    two = kind.__name__ in TWO_TOWERS
    described = loader.config.get("config", {})
    if two and "vision_encoder" in described:
        described = described["vision_encoder"]["config"]
    trained = _pair(described.get("image_shape"))
    bound = two or kind.__name__ in _BOUND
    if bound and weights and trained is not None and size not in (None, trained):
        raise BoundSizeError(trained)
    size = size or (trained if bound else None) or _pair(converter.image_size)
    if not two:
        more = {} if trained is None or size is None else {"image_shape": (*size, 3)}
        single = kind.from_preset(preset, load_weights=weights, dtype="float32", **more)
        return Tower(single, None, converter, size or trained)
    if not keras_hub_names.in_keras_format(loader):
        # Weights of another library are converted as a whole.
        whole = kind.from_preset(preset, load_weights=weights, dtype="float32")
        trained = _pair(whole.vision_encoder.image_shape)
        if size not in (None, trained):
            raise BoundSizeError(trained or (0, 0))
        return Tower(whole.vision_encoder, _norm(whole), converter, trained)
    config = copy.deepcopy(loader.config["config"]["vision_encoder"])
    config["config"]["dtype"] = "float32"
    if size is not None and not weights:
        config["config"]["image_shape"] = (*size, 3)
    network: keras.Model = keras.saving.deserialize_keras_object(config)
    name = family_of(network).norm
    norm = None if name is None else keras.layers.LayerNormalization(epsilon=1e-5, name=name)
    if norm is not None:
        norm.build(network.output.shape)
    if weights:
        _load(preset, network, norm)
    return Tower(network, norm, converter, size or trained)


def _pair(shape: Sequence[int | None] | None) -> tuple[int, int] | None:
    """Height and width, where both are known."""
    if not shape or shape[0] is None or shape[1] is None:
        return None
    return int(shape[0]), int(shape[1])


def _norm(whole: Any) -> Any:
    name = family_of(whole.vision_encoder).norm
    return None if name is None else getattr(whole, name)


def _load(preset: str, network: keras.Model, norm: Any) -> None:
    """Loads the vision tower's part of a file of weights, and leaves the text tower's unread."""
    import h5py

    group = f"layers/{snake_case(type(network).__name__)}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tower.weights.h5"
        found = False
        with h5py.File(file, "w") as part:
            for one in _weight_files(preset):
                with h5py.File(one, "r") as whole:
                    if group in whole:
                        _copy(whole[group], part)
                        found = True
                    if norm is not None and "layers/layer_normalization/vars" in whole:
                        held = whole["layers/layer_normalization/vars"]
                        norm.set_weights([held["0"][()], held["1"][()]])
        if not found:
            raise ValueError(f"its weights have no {group}")
        network.load_weights(str(file))


def _copy(source: Any, target: Any) -> None:
    """Copies what is below a group; a shard of the file may hold a part of it."""
    for name, value in source.items():
        if name not in target:
            source.copy(name, target)
        elif hasattr(value, "items"):
            _copy(value, target[name])


def _weight_files(preset: str) -> list[str]:
    from transferkit.private.keras_hub_names import preset_file, preset_has_file

    if preset_has_file(preset, _SINGLE):
        return [preset_file(preset, _SINGLE)]
    index = json.loads(Path(preset_file(preset, _SHARDED)).read_text("utf-8"))["weight_map"]
    names = {one for value in index.values() for one in (value if isinstance(value, list) else [value])}
    return [preset_file(preset, name) for name in sorted(names)]
