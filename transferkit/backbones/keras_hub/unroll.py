"""Encoders laid open: some of KerasHub's are one layer that holds all blocks, where no cut could be made.

The layers here stand around one of KerasHub's, which they share and do not copy, and have its name.
"""

from __future__ import annotations

from typing import Any

from transferkit.backbones._keras import keras
from transferkit.type_names import NamedValues, Tensor

__all__ = ["AnswerBlock", "CountedPatches", "Described", "PlacedBlock", "Wrapper", "unrolled"]


# What decides how a part of a Swin transformer computes, beside its weights.
_SWIN = ("dim", "depth", "window_size", "num_heads", "mlp_ratio", "input_resolution", "patch_size",
         "embed_dim", "_qkv_bias", "_dropout_rate", "_attention_dropout", "_drop_path")  # fmt: skip


class Wrapper(keras.layers.Layer):  # type: ignore[misc]
    """Stands around one layer of KerasHub's, which it shares; a file for Keras takes that one alone."""

    @property
    def inner(self) -> Any:
        """KerasHub's own layer."""
        raise NotImplementedError

    def plain(self, x: Tensor, images: Tensor) -> Tensor:
        """The same, by KerasHub's layer alone where that can be read from a file.

        Args:
            x: what the layer takes.
            images: symbolic, of the size that the network was made for.
        """
        return self(x)


class PlacedBlock(Wrapper):
    """A block of DINOv3 with the rotary positions of the patches inside.

    In KerasHub's network they come from the images past all blocks, so that no block is a place through which
    all data passes. They follow from the size of the images alone. The block is shared, not copied.
    """

    def __init__(self, block: Any, positions: Any, before: int, size: tuple[int, int]) -> None:
        super().__init__(name=block.name, dtype=block.dtype_policy)
        self.block = block
        # Kept from Keras's tracking: one layer of positions serves all blocks and is none of their parts.
        self._positions_of = lambda: positions
        self.before = before
        self.size = tuple(size)
        self._positions_config = keras.saving.serialize_keras_object(positions)
        # Constants: a table of angles for this size of images.
        turned = positions(keras.ops.zeros((1, *size, 3), dtype=self.compute_dtype))
        self._positions = tuple(keras.ops.convert_to_numpy(one) for one in turned)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        cos, sin = (keras.ops.cast(one, inputs.dtype) for one in self._positions)
        return self.block(
            inputs, position_embeddings=(cos, sin), num_prefix_tokens=self.before, training=training
        )

    @property
    def inner(self) -> Any:
        return self.block

    def plain(self, x: Tensor, images: Tensor) -> Tensor:
        return self.block(x, position_embeddings=self._positions_of()(images), num_prefix_tokens=self.before)  # type: ignore[no-untyped-call]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> NamedValues:
        return {
            "name": self.name,
            "block": keras.saving.serialize_keras_object(self.block),
            "positions": self._positions_config,
            "before": self.before,
            "size": list(self.size),
        }


class AnswerBlock(Wrapper):
    """A block of DeiT without the scores of its attention, which it gives beside its answer."""

    def __init__(self, block: Any) -> None:
        super().__init__(name=block.name, dtype=block.dtype_policy)
        self.block = block
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.block(inputs, training=training)[0]

    @property
    def inner(self) -> Any:
        return self.block

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> NamedValues:
        return {"name": self.name, "block": keras.saving.serialize_keras_object(self.block)}


class Described(Wrapper):
    """A part of a Swin transformer, which in KerasHub fails to say its configuration: it names a class."""

    def __init__(self, part: Any) -> None:
        super().__init__(name=part.name, dtype=part.dtype_policy)
        self.part = part
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.part(inputs, training=training)

    @property
    def inner(self) -> Any:
        return self.part

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        result: tuple[int | None, ...] = self.part.compute_output_shape(input_shape)
        return result

    def get_config(self) -> NamedValues:
        plain = (bool, int, float, str, list, tuple)
        said = {name: value for name, value in vars(self.part).items() if isinstance(value, plain)}
        facts = {name: repr(said[name]) for name in sorted(said) if name in _SWIN}
        return {"name": self.name, "kind": type(self.part).__name__, **facts}


class CountedPatches(Wrapper):
    """The patches of SigLIP: KerasHub's layer declares one more token than it gives, which a cut believes."""

    def __init__(self, patches: Any) -> None:
        super().__init__(name=patches.name, dtype=patches.dtype_policy)
        self.patches = patches
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.patches(inputs, training=training)

    @property
    def inner(self) -> Any:
        return self.patches

    def plain(self, x: Tensor, images: Tensor) -> Tensor:
        return self.patches(x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.patches.num_positions, self.patches.hidden_dim)

    def get_config(self) -> NamedValues:
        return {"name": self.name, "patches": keras.saving.serialize_keras_object(self.patches)}


def unrolled(network: keras.Model, layer: keras.Layer, size: tuple[int, int], x: Tensor) -> Tensor:
    """What an encoder gives, its blocks called one by one; None where the layer is no such encoder.

    Args:
        network: KerasHub's, which the layer belongs to.
        layer: of the network.
        size: height and width of the images.
        x: the layer's first argument.
    """
    kind = type(layer).__name__
    if kind in ("DINOV2Encoder", "DINOV3Encoder"):
        places = {}
        for number, block in enumerate(layer.layers, start=1):
            if kind == "DINOV3Encoder":
                before = 1 + int(network.num_register_tokens)
                block = PlacedBlock(block, network.rope_embedding, before, size)
            x = block(x)
            places[f"stage{number}"] = x
        return x, places
    if kind == "ViTEncoder":
        for one in (layer.dropout, *layer.encoder_layers, layer.layer_norm):
            x = one(x)
        return x
    if kind == "DeiTEncoder":
        for block in layer.encoder_layers:
            x = AnswerBlock(block)(x)
        return layer.layer_norm(x), None, None
    if kind == "SigLIPVisionEmbedding":
        return CountedPatches(layer)(x)
    if kind in ("PatchEmbedding", "SwinTransformerStage"):
        return Described(layer)(x)
    if kind == "HGNetV2Encoder":
        found = [x]
        for stage in layer.stages_list:
            found.append(stage(found[-1]))
        return tuple(found)
    return None
