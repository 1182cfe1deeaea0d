"""The teachers of the embedded backbone: what two ImageNet networks see in a view.

MobileNetV2 gives feature maps at three depths, MobileNet 0.25 the 1000 class probabilities. Both run under
OpenVINO. Only their outputs are used: no weight of theirs goes into the student.
"""

from __future__ import annotations

import numpy as np

__all__ = ["LATE_WIDTH", "Teachers"]

LATE_WIDTH = 256
_LAYERS = ("block_5_add", "block_12_add", "out_relu")


class Teachers:
    """Targets for views of one size.

    Needs the ImageNet weights of ``keras.applications`` for MobileNetV2 (224 px, without top) and
    MobileNet 0.25 (224 px, with top): in ``KERAS_HOME``, or fetched by Keras.
    """

    def __init__(self, size: int, threads: int) -> None:
        import keras
        import openvino
        import tensorflow as tf

        source = keras.applications.MobileNetV2(input_shape=(224, 224, 3), include_top=False)
        maps = keras.applications.MobileNetV2(input_shape=(size, size, 3), include_top=False, weights=None)
        maps.set_weights(source.get_weights())
        maps = keras.Model(maps.inputs, [maps.get_layer(name).output for name in _LAYERS])
        classes = keras.applications.MobileNet(input_shape=(224, 224, 3), alpha=0.25)

        @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3], tf.float32)])
        def answer(views: tf.Tensor) -> list[tf.Tensor]:
            images = views / 127.5 - 1.0
            early, middle, late = maps(images, training=False)
            return [early, middle, late, classes(tf.image.resize(images, (224, 224)), training=False)]

        core = openvino.Core()
        self._answer = core.compile_model(
            openvino.convert_model(answer),
            "CPU",
            {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"},
        )
        self._scale: dict[str, np.ndarray] = {}

    def fit(self, views: np.ndarray) -> None:
        """Learn from a first set of views how to scale the targets.

        The late map is projected on the ``LATE_WIDTH`` principal directions of its average over a view, and
        those are drawn half-way to equal size: squared error alone would see only the strongest, while fully
        whitened ones are mostly noise (with MobileNetV2's own features 64 directions carry a linear probe).
        """
        early, middle, late, _ = self._run(views)
        pooled = late.mean((1, 2))
        mean = pooled.mean(0)
        values, vectors = np.linalg.eigh(np.cov((pooled - mean).T.astype(np.float64)))
        values, vectors = values[::-1][:LATE_WIDTH], vectors[:, ::-1][:, :LATE_WIDTH]
        # A small pool has fewer directions than are asked for; their zeros must not be blown up.
        values = np.maximum(values, 1e-3 * values[0])
        scale = values**-0.25 / np.sqrt(np.mean(values**0.5))
        self._scale = {
            "mean": mean,
            "basis": (vectors * scale).astype(np.float32),
            "early": early.std((0, 1, 2)) + 1e-3,
            "middle": middle.std((0, 1, 2)) + 1e-3,
        }

    def targets(self, views: np.ndarray) -> dict[str, np.ndarray]:
        """What to learn for uint8 ``[N, size, size, 3]`` views, all float16.

        Returns:
            ``early`` ``[N, s/8, s/8, 32]``, ``middle`` ``[N, s/16, s/16, 96]``,
            ``late`` ``[N, s/32, s/32, 256]``, ``classes`` ``[N, 1000]`` (probabilities).
        """
        early, middle, late, classes = self._run(views)
        return {
            "early": (early / self._scale["early"]).astype(np.float16),
            "middle": (middle / self._scale["middle"]).astype(np.float16),
            "late": ((late - self._scale["mean"]) @ self._scale["basis"]).astype(np.float16),
            "classes": classes.astype(np.float16),
        }

    def _run(self, views: np.ndarray) -> list[np.ndarray]:
        parts = []
        for start in range(0, len(views), 64):
            answer = self._answer(views[start : start + 64].astype(np.float32))
            parts.append([np.array(answer[i]) for i in range(4)])
        return [np.concatenate(part) for part in zip(*parts, strict=True)]
