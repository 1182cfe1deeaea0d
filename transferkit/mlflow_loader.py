"""How MLflow loads an export as a pyfunc. A copy of this file travels with each model.

It needs TensorFlow, NumPy and pandas alone: whoever serves a model with MLflow has no transferkit.
"""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # where the copy runs there is no transferkit
    from transferkit.type_names import NamedValues

__all__ = ["ImageClassifier"]

_BATCH = 16


class ImageClassifier:
    """Predicts encoded images with a SavedModel of transferkit's.

    Args:
        folder: of the SavedModel.
    """

    def __init__(self, folder: str) -> None:
        import tensorflow as tf

        self._tf = tf
        self._model = tf.saved_model.load(folder)
        with open(os.path.join(folder, "assets", "transferkit.json"), encoding="utf-8") as file:
            self.classes = json.load(file)["classes"]

    def predict(self, model_input: Any, params: NamedValues | None = None) -> Any:
        """A row an image: its label, that one's probability, and those of all classes in their order.

        Args:
            model_input: a data frame whose one column, or the column ``image``, holds encoded images as bytes
                or base64; or a list of these.
            params: ``threshold``: below this probability the label is empty.

        Returns:
            The table; with several labels an image also ``labels``, a list of those that are there, and
            ``confident`` and ``unknown`` where the model says so.

        Raises:
            ValueError: some of them are no images, or no base64.
        """
        import pandas as pd

        column = model_input
        if isinstance(model_input, pd.DataFrame):
            column = model_input["image"] if "image" in model_input else model_input.iloc[:, 0]
        images = [_encoded(one) for one in column]
        threshold = float((params or {}).get("threshold", 0))
        rows = []
        for start in range(0, len(images), _BATCH):
            answer = self._asked(images[start : start + _BATCH], start)
            for row, probabilities in enumerate(answer["probabilities"].numpy()):
                best = int(np.argmax(probabilities))
                sure = probabilities[best] >= threshold
                told = {
                    "label": self.classes[best] if sure else "",
                    "probability": float(probabilities[best]),
                    "probabilities": probabilities.astype(float).tolist(),
                }
                if "present" in answer:
                    present = answer["present"][row].numpy()
                    told["labels"] = [
                        name for name, there in zip(self.classes, present, strict=True) if there
                    ]
                told.update(
                    {name: bool(answer[name][row]) for name in ("confident", "unknown") if name in answer}
                )
                rows.append(told)
        return pd.DataFrame(rows)

    def _asked(self, images: list[bytes], first: int) -> Any:
        """All outputs for some images, the first of which has that number; faults are found one by one."""
        signature, errors = self._model.signatures["serving_default"], self._tf.errors.OpError
        try:
            return signature(bytes=self._tf.constant(images))
        except errors:
            wrong = []
            for number, image in enumerate(images, first):
                try:
                    signature(bytes=self._tf.constant([image]))
                except errors:
                    wrong.append(str(number))
            if not wrong:
                raise
            raise ValueError(f"image {', '.join(wrong)}: expected an encoded image such as a JPEG") from None


def _encoded(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview, np.bytes_)):
        return bytes(value)
    return base64.b64decode(str(value), validate=True)


def _load_pyfunc(path: str) -> ImageClassifier:
    """What MLflow calls."""
    return ImageClassifier(path)
