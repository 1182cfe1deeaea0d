"""A retrained network as one functional Keras model of Keras's own layers.

transferkit's own layers stand in a backbone (pixel preprocessing, normalisation that follows its weights); in
a file they would ask everybody who opens it for transferkit, so Keras's own take their places, or KerasHub's.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.backbones._keras import apply
from transferkit.backbones.keras_hub.unroll import Wrapper
from transferkit.backbones.live_normalisation import LiveNormalization
from transferkit.backbones.normalise_pixels import CAFFE_MEAN_BGR, TORCH_DEVIATION, TORCH_MEAN, Pixels
from transferkit.keras3 import keras
from transferkit.type_names import Tensor, Tensors

if TYPE_CHECKING:
    from transferkit.backbones.functional import FunctionalBackbone
    from transferkit.transfer.network import Network

__all__ = ["plain_model", "unrestorable"]


def plain_model(backbone: FunctionalBackbone, network: Network, scores: bool = False) -> Any:
    """Builds the model; it shares the network's weights.

    Args:
        backbone: a functional backbone that carries the network's weights.
        network: what stands on top: ``standardise``, ``layer``, ``head``, ``temperature``.

        scores: answer ``novelty`` beside ``probabilities``, in a dictionary.

    Returns:
        A model from images ``[N, h, w, 3]`` of 0..255, any dtype, to probabilities float32 ``[N, classes]``.
    """
    images = keras.Input((*backbone.input_size, 3), dtype="float32", name="images")
    call = functools.partial(_call, images, {})
    features = keras.ops.cast(apply(backbone.model, images, call), "float32")
    mean, scale = np.asarray(network.standardise.mean), np.asarray(network.standardise.scale)
    standard = keras.layers.Normalization(
        mean=mean, variance=np.broadcast_to(scale**2, mean.shape), name="standardise", dtype="float32"
    )
    standardised = standard(features)
    logits = keras.ops.cast(network.layer(standardised), "float32")
    if network.temperature != 1.0:
        logits = keras.layers.Rescaling(1.0 / network.temperature, name="temperature", dtype="float32")(
            logits
        )
    activation = "sigmoid" if network.head.multi_label else "softmax"
    answer = keras.layers.Activation(activation, name="probabilities", dtype="float32")(logits)
    if not scores:
        return keras.Model(images, answer, name="transferkit")
    assert network.novelty is not None  # noqa: S101 -- for the type checker: where scores are wanted
    novelty = _novelty(network.novelty.flat, standardised)
    return keras.Model(images, {"probabilities": answer, "novelty": novelty}, name="transferkit")


def _novelty(flat: dict[str, np.ndarray], features: Tensors) -> Any:
    """What :class:`~transferkit.transfer.novelty_score.Novelty` does, of Keras's own layers, ``[N]``."""
    rows = keras.layers.UnitNormalization(dtype="float32", name="novelty_unit")(features)

    def product(name: str, value: Any, *weights: np.ndarray) -> Any:
        units, bias = weights[0].shape[1], len(weights) > 1
        layer = keras.layers.Dense(units, use_bias=bias, dtype="float32", name=f"novelty_{name}")
        made = layer(value)
        layer.set_weights(list(weights))
        return made

    turned = product("axes", rows, flat["axes"], flat["shift"])
    common = product("squares", keras.ops.square(turned), flat["signs"][:, np.newaxis])
    nearest = keras.ops.min(product("classes", rows, flat["kernel"], flat["bias"]), axis=1)
    return keras.ops.add(keras.ops.squeeze(common, axis=1), nearest)


def unrestorable(backbone: FunctionalBackbone) -> list[str]:
    """The kinds of layers that Keras writes into a file and cannot read from it.

    Some of KerasHub's state a configuration that their own constructor does not take, and layers of a user's
    code are unknown to the process that opens the file.

    Args:
        backbone: a functional one.

    Returns:
        Names of classes, sorted; one layer of each class is asked.
    """
    layers = (layer.inner if isinstance(layer, Wrapper) else layer for layer in _within(backbone.model))
    kinds = {type(layer): layer for layer in layers if not isinstance(layer, (Pixels, LiveNormalization))}
    return sorted(
        kind.__name__
        for kind, layer in kinds.items()
        if not kind.__module__.startswith("keras.") and not _restores(layer)
    )


def _within(model: keras.Model) -> Iterator[keras.Layer]:
    """Its layers, and those of the models in it in their place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _within(layer)
        else:
            yield layer


def _restores(layer: keras.Layer) -> bool:
    try:
        stated = keras.saving.serialize_keras_object(layer)
        stated.pop("build_config", None)  # its weights need not be made
        keras.saving.deserialize_keras_object(stated)
    except Exception:  # a layer's code raises what it likes
        return False
    return True


def _call(taken: Any, made: dict[Any, Any], layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
    if isinstance(layer, keras.Model):  # one of several networks, which may be called more than once
        if layer not in made:
            own = keras.Input(layer.input.shape[1:], dtype="float32")
            call = functools.partial(_call, own, made)
            made[layer] = keras.Model(own, apply(layer, own, call), name=layer.name)
        return made[layer](*args)
    if isinstance(layer, Wrapper):
        return layer.plain(args[0], taken)
    if isinstance(layer, Pixels):
        return _pixels(layer.normalisation, args[0])
    if isinstance(layer, LiveNormalization):
        inner = layer.layer
        return keras.layers.Normalization(
            axis=-1,
            mean=np.asarray(inner.adapt_mean),
            variance=np.asarray(inner.adapt_variance),
            name=layer.name,
        )(*args)
    return layer(*args, **kwargs)


def _pixels(normalisation: str, images: Tensor) -> Any:
    """What :class:`~transferkit.backbones.normalise_pixels.Pixels` does, of Keras's own layers."""
    layers = keras.layers
    if normalisation == "tf":
        return layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="pixels")(images)
    if normalisation == "lite":
        return layers.Rescaling(1 / 128, offset=-127 / 128, dtype="float32", name="pixels")(images)
    if normalisation == "unit":
        return layers.Rescaling(1 / 255.0, dtype="float32", name="pixels")(images)
    if normalisation == "torch":
        mean, deviation = np.array(TORCH_MEAN), np.array(TORCH_DEVIATION)
        return layers.Normalization(
            mean=255 * mean, variance=np.square(255 * deviation), dtype="float32", name="pixels"
        )(images)
    if normalisation == "caffe":
        turned = keras.ops.flip(images, axis=-1)
        means = np.array(CAFFE_MEAN_BGR)
        return layers.Normalization(mean=means, variance=np.ones(3), dtype="float32", name="pixels")(turned)
    if normalisation != "none":
        raise ValueError(f"no layers of Keras's own for the normalisation {normalisation!r}")
    return images
