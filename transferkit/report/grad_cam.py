"""Grad-CAM: which parts of an image an answer rests on (Selvaraju et al. 2017, equations 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from transferkit.type_names import Tensor

__all__ = ["heat_of"]


def heat_of(
    maps_of: Callable[[Any], Any], logits_of: Callable[[Any], Any]
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A function that gives the heat for one class of each image, to be called as often as is wanted.

    Args:
        maps_of: images to the last feature maps ``[N, h, w, C]``: a cut's prefix.
        logits_of: feature maps to logits ``[N, classes]``: the cut's suffix and the head.

    Returns:
        From images uint8 ``[N, H, W, 3]`` and classes int ``[N]``, the answers to explain, to float32
        ``[N, h, w]``, 0 to 1 in each image; all 0 where nothing speaks for the class.

    Raises:
        ValueError: once it is called, where what ``maps_of`` gives has no height and width.
    """
    import tensorflow as tf

    # One graph: called one by one, the ops of a deep network take twice as long to start as a graph.
    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def in_graph(images: Tensor, classes: Any) -> Any:
        maps = tf.convert_to_tensor(maps_of(images))
        if maps.shape.rank != 4:
            raise ValueError(f"feature maps have shape {maps.shape}, expected [N, h, w, C]")
        with tf.GradientTape() as tape:
            tape.watch(maps)
            wanted = tf.gather(logits_of(maps), classes, axis=1, batch_dims=1)
        weights = tf.reduce_mean(tape.gradient(wanted, maps), axis=(1, 2), keepdims=True)
        return tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1))

    def heatmaps(images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        given = tf.constant(images), tf.constant(classes, tf.int32)
        # The concrete one: TensorFlow warns of functions that are made in each call, as some of these are.
        found = in_graph.get_concrete_function(*given)(*given).numpy().astype(np.float32)
        most = found.max(axis=(1, 2), keepdims=True)
        scaled: np.ndarray = np.divide(found, most, out=np.zeros_like(found), where=most > 0)
        return scaled

    return heatmaps
