"""The graph that becomes a TFLite file."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from transferkit.export.export_spec import ExportSpec

__all__ = ["Answering"]


class Answering(tf.Module):  # type: ignore[misc]
    """The function with names for its input and output, which the file's signature then has."""

    def __init__(self, export_spec: ExportSpec, dtype: Any, scores: bool) -> None:
        super().__init__(name="transferkit")
        self.weights = [getattr(variable, "_value", variable) for variable in export_spec.variables]
        shape = [None, *export_spec.about.input_size, 3]

        def answer(images: tf.Tensor) -> dict[str, tf.Tensor]:
            if scores and export_spec.every_format and export_spec.with_novelty is not None:
                probabilities, novelty = export_spec.with_novelty(images)
                return {"probabilities": probabilities, "novelty": novelty}
            # A quantiser may hand the pixels over as float; they are whole numbers all the same.
            return {"probabilities": export_spec.probabilities(images)}

        self.answer = tf.function(answer, [tf.TensorSpec(shape, dtype, name="images")], autograph=False)
