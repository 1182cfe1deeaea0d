"""A SavedModel's whole network as what the engines of the activations take: a frozen prefix."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

    from transferkit.export.formats._base import LoadedArtefact

__all__ = ["WholeNetwork", "columns_of"]


class WholeNetwork:
    """The network of an export, from pixels to probabilities, as :class:`CutLike`: all of it is frozen.

    Args:
        opened: the SavedModel.
        place: its folder.
        scored: it tells the score of novelty.
    """

    def __init__(self, opened: LoadedArtefact, place: Path, scored: bool) -> None:
        model: Any = opened.model
        self.at = "probabilities"
        self.shape: tuple[int, ...] = (len(opened.about.classes) + scored,)
        self.prefix = lambda images: columns_of(model.answer(images), scored)
        digest = hashlib.sha256()
        # TensorFlow's own fingerprint is of the graph; the index of the variables has a sum of each.
        for name in ("fingerprint.pb", "saved_model.pb", "variables/variables.index"):
            file = place / name
            digest.update(file.read_bytes() if file.is_file() else b"")
        self.fingerprint = digest.hexdigest()


def columns_of(outputs: dict[str, tf.Tensor], scored: bool) -> tf.Tensor:
    """Probabilities ``[N, C]``, with the score of novelty behind them where there is one.

    Args:
        outputs: of the SavedModel.
        scored: the score is among them.
    """
    import tensorflow as tf

    if not scored:
        return outputs["probabilities"]
    return tf.concat([outputs["probabilities"], outputs["novelty"][:, tf.newaxis]], axis=1)
