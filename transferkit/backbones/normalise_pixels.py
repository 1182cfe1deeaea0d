"""Raw pixels to what a network was trained on, as the first layer of its graph."""

from __future__ import annotations

from typing import Any

from transferkit.backbones._keras import keras
from transferkit.type_names import NamedValues, Tensor

__all__ = ["CAFFE_MEAN_BGR", "TORCH_DEVIATION", "TORCH_MEAN", "Pixels"]

# Of the ImageNet training images, in RGB order; the values of keras.applications.imagenet_utils.
TORCH_MEAN = (0.485, 0.456, 0.406)
TORCH_DEVIATION = (0.229, 0.224, 0.225)
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


@keras.saving.register_keras_serializable(package="transferkit")
class Pixels(keras.layers.Layer):  # type: ignore[misc]
    """Turns RGB pixels of 0..255 into the values a network expects; keeps the shape ``[N, h, w, 3]``.

    The arithmetic is that of ``keras.applications.imagenet_utils.preprocess_input``, step for step, so
    that the two agree to the last bits. It is done in float32 under every dtype policy.

    Args:
        normalisation: a key of :data:`transferkit.card.NORMALISATIONS`.
    """

    def __init__(self, normalisation: str = "none", **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.normalisation = normalisation

    def call(self, images: Tensor) -> Tensor:
        x = keras.ops.cast(images, "float32")
        if self.normalisation == "tf":
            return x / 127.5 - 1.0
        if self.normalisation == "torch":
            mean = keras.ops.array(TORCH_MEAN, "float32")
            return (x / 255.0 - mean) / keras.ops.array(TORCH_DEVIATION, "float32")
        if self.normalisation == "caffe":
            return x[..., ::-1] - keras.ops.array(CAFFE_MEAN_BGR, "float32")
        if self.normalisation == "lite":
            return (x - 127.0) / 128.0
        if self.normalisation == "unit":
            return x / 255.0
        return x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> NamedValues:
        return {**super().get_config(), "normalisation": self.normalisation}
