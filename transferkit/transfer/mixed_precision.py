"""Training steps that compute in bfloat16 above the cut, on weights that stay float32.

It pays where the hardware multiplies bfloat16 faster than float32: GPUs from NVIDIA's Ampere on, TPUs, and
CPUs with AMX or AVX-512 BF16; on other CPUs it is slower. It halves the memory of a step's activations
anywhere. Only training computes so: evaluation, prediction and exports run the same float32 weights in
float32. bfloat16 has float32's range, so no loss scaling is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from transferkit.backbones.precision import computing_in, computing_layers
from transferkit.transfer.network import Network

if TYPE_CHECKING:
    from transferkit.backbones.backbone import Cut
    from transferkit.keras_import import keras

__all__ = ["MixedNetwork"]

_POLICY = "mixed_bfloat16"


class MixedNetwork(Network):
    """A network whose training steps compute in bfloat16.

    Args:
        cut: as of :class:`Network`.
        head: as of :class:`Network`.
        layer: as of :class:`Network`.
        standardise: as of :class:`Network`.
        layers: the Keras layers of the backbone above the cut. A backbone that is no Keras model has none:
            then the head alone computes in bfloat16.
    """

    def __init__(
        self, cut: Cut, head: Any, layer: keras.Layer, standardise: Any, layers: Sequence[Any] = ()
    ) -> None:
        super().__init__(cut, head, layer, standardise)
        self._mixed = [inner for one in (*layers, layer) for inner in computing_layers(one)]

    def logits(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        if not training:
            return super().logits(features, training)
        with computing_in(_POLICY, self._mixed):
            return tf.cast(super().logits(features, training), tf.float32)
