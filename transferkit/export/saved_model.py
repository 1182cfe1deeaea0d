"""A TensorFlow SavedModel that answers on raw image bytes, with everything it needs inside.

Signatures, both with the same outputs:

* ``serving_default``: ``bytes``, string ``[N]``, encoded images (JPEG, PNG, GIF, BMP);
* ``images``: ``images``, uint8 ``[N, H, W, 3]``, RGB images of any one size.

Outputs: ``probabilities`` float32 ``[N, classes]`` in class order; ``class_ids`` int64 ``[N, classes]`` and
``labels`` string ``[N, classes]``, both from the most to the least probable class. The class order is also in
``assets/labels.txt``, a name a line. Plain TensorFlow loads it: neither transferkit nor Keras is needed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from transferkit.data.decode import decode, resize_image

__all__ = ["next_version", "write_saved_model"]


class _Serving(tf.Module):
    """The graph of an export: decode, resize, backbone, head, labels."""

    def __init__(
        self,
        probabilities: Callable[[tf.Tensor], tf.Tensor],
        variables: Sequence[tf.Variable],
        classes: Sequence[str],
        size: tuple[int, int],
        resize: str,
        labels_file: str,
    ) -> None:
        super().__init__(name="transferkit")
        self._probabilities = probabilities
        self._size = size
        self._resize = resize
        self.weights = list(variables)  # tracked, so that they are saved with the functions
        self.labels_file = tf.saved_model.Asset(labels_file)
        self.labels = tf.constant(list(classes), tf.string)

    # Without AutoGraph: nothing here is written in Python's control flow, and converting it takes a second.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="bytes")], autograph=False)
    def from_bytes(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.answer(self._each(decode, encoded))

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")], autograph=False
    )
    def from_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.answer(self._each(resize_image, images))

    def _each(self, step: Callable[..., tf.Tensor], batch: tf.Tensor) -> tf.Tensor:
        """Images uint8 ``[N, h, w, 3]`` from what ``step`` makes of each element."""
        image = tf.TensorSpec([*self._size, 3], tf.uint8)
        return tf.map_fn(lambda one: step(one, self._size, self._resize), batch, fn_output_signature=image)

    @tf.function(autograph=False)
    def answer(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = self._probabilities(images)
        class_ids = tf.argsort(probabilities, direction="DESCENDING", stable=True)
        return {
            "probabilities": tf.identity(probabilities, "probabilities"),
            "class_ids": tf.cast(class_ids, tf.int64),
            "labels": tf.gather(self.labels, class_ids),
        }


def write_saved_model(
    folder: Path,
    probabilities: Callable[[tf.Tensor], tf.Tensor],
    variables: Sequence[Any],
    classes: Sequence[str],
    size: tuple[int, int],
    resize: str,
) -> Path:
    """Writes a SavedModel to ``folder``, whole or not at all.

    Args:
        folder: where it will lie; must not exist.
        probabilities: from uint8 ``[N, h, w, 3]`` to float32 ``[N, classes]``.
        variables: every variable that ``probabilities`` reads, as TensorFlow or Keras variables.
        classes: names in the order of the probabilities.
        size: height and width in pixels of the images that ``probabilities`` takes.
        resize: ``"stretch"``, ``"crop"`` or ``"pad"``, as in training.

    Returns:
        ``folder``.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        labels_file = partial / "labels.txt"
        labels_file.write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
        held = [getattr(variable, "_value", variable) for variable in variables]
        module = _Serving(probabilities, held, classes, size, resize, str(labels_file))
        tf.saved_model.save(
            module,
            str(partial / "model"),
            signatures={"serving_default": module.from_bytes, "images": module.from_images},
        )
        os.rename(partial / "model", folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def next_version(export_folder: Path) -> Path:
    """The folder of the next version: numbers count up, as TensorFlow Serving expects."""
    present = [int(path.name) for path in export_folder.glob("*") if path.name.isdigit()]
    return export_folder / str(max(present, default=0) + 1)
