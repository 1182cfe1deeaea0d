"""Encoded images from strangers to pixels: what a header claims is held to the limits before decoding."""

from __future__ import annotations

import io

import numpy as np
import tensorflow as tf

from transferkit.data.check.header import beyond
from transferkit.data.check.limits import Limits as PixelLimits
from transferkit.data.image_facts import read_facts
from transferkit.data.pixels.decode import resize_image
from transferkit.data.pixels.decoding import Decoding
from transferkit.data.pixels.decoding_memory import decoding_bytes, shared_budget
from transferkit.data.pixels.pillow import pillow_reason
from transferkit.data.reader import decoder, reason_of
from transferkit.serving.request_limits import Limits, Refusal

__all__ = ["Photos"]


class Photos:
    """Makes the network's pixels of what requests hold. Safe in threads.

    Args:
        decoding: as training made them.
        limits: of the server.
    """

    def __init__(self, decoding: Decoding, limits: Limits) -> None:
        self.decoding = decoding
        self._limits = PixelLimits(bytes=limits.bytes, pixels=limits.pixels)
        self._decode = decoder(decoding)
        self._resize = tf.function(
            lambda image: resize_image(image, decoding),
            [tf.TensorSpec([None, None, 3], tf.uint8)],
            autograph=False,
        )

    def prepare(self) -> None:
        """Decodes a picture of each common kind: the first takes a second, which nobody shall wait for."""
        from PIL import Image

        height, width = self.decoding.size
        for form in ("JPEG", "PNG"):
            file = io.BytesIO()
            Image.new("RGB", (2 * width, 2 * height)).save(file, form)
            self._decode(file.getvalue())

    def of_bytes(self, encoded: bytes) -> np.ndarray:
        """uint8 ``[h, w, 3]`` of an encoded image.

        Raises:
            Refusal: it is no image, or beyond the limits.
        """
        if not encoded:
            raise Refusal(400, "received no bytes, expected an encoded image such as a JPEG")
        try:
            facts = read_facts(io.BytesIO(encoded))
        except Exception as error:  # Pillow's readers raise whatever their formats bring about
            raise Refusal(400, f"expected an encoded image: {pillow_reason(error)}") from None
        reason = beyond(facts, self._limits)
        if reason is not None:
            raise Refusal(413, f"the image is not decoded: {reason}")
        try:
            # What several images take together is bounded, however many requests there are.
            with shared_budget.held(decoding_bytes(facts, len(encoded), self.decoding)):
                return self._decode(encoded)
        except (tf.errors.OpError, ValueError) as error:
            raise Refusal(400, f"the image cannot be decoded: {reason_of(error)}") from None

    def of_photo(self, encoded: bytes) -> tuple[np.ndarray, tuple[int, int] | None]:
        """As :meth:`of_bytes`, with height and width of the upright photo where its sides were stretched.

        Raises:
            Refusal: it is no image, or beyond the limits.
        """
        image = self.of_bytes(encoded)
        if self.decoding.resize != "stretch":
            return image, None
        facts = read_facts(io.BytesIO(encoded))
        turned = self.decoding.exif and facts.orientation >= 5
        return image, (facts.width, facts.height) if turned else (facts.height, facts.width)

    def of_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """The same of an image uint8 ``[H, W, 3]`` of any size."""
        height, width = pixels.shape[:2]
        if height * width > self._limits.pixels or max(height, width) > self._limits.side:
            raise Refusal(413, f"{width} × {height} pixels, above the limit of {self._limits.pixels:,}")
        result: np.ndarray = self._resize(tf.constant(pixels)).numpy()
        return result
