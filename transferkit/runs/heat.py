"""Grad-CAM of a run's worst mistakes, for its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from transferkit.backbones import Backbone
from transferkit.data.reader import read_images
from transferkit.evaluation import Evaluation
from transferkit.model_fn.network import Network
from transferkit.report.grad_cam import grad_cam
from transferkit.report.verdict import worst_mistakes

__all__ = ["heat_of_mistakes"]


def heat_of_mistakes(
    backbone: Backbone,
    network: Network,
    evaluation: Evaluation,
    paths: Sequence[str | Path],
    resize: str = "stretch",
    most: int = 24,
) -> dict[int, np.ndarray]:
    """Row of the evaluation to heat ``[h, w]`` for the answer given: what ``ReportFacts.overlays`` takes.

    Empty where there are no mistakes, where an image has several labels, and for a backbone whose inside is
    not visible or that has no feature maps.

    Args:
        backbone: of the network, with the network's weights.
        network: what was evaluated.
        evaluation: of single-label images.
        paths: files of the evaluated images, in the evaluation's order.
        resize: how images are brought to size.
        most: how many of the worst mistakes.
    """
    rows = worst_mistakes(evaluation, most)
    place = _last_maps(backbone)
    if not rows or place is None or evaluation.kind != "single":
        return {}
    cut = backbone.cut(place)

    def logits(maps):
        return network.layer(network.standardise(cut.suffix(maps)))

    found: dict[int, np.ndarray] = {}
    for batch in read_images([(None, paths[row]) for row in rows], backbone.input_size, resize, batch_size=8):
        if len(batch.indices):
            here = [rows[index] for index in batch.indices]
            heat = grad_cam(cut.prefix, logits, batch.images, evaluation.predicted[here])
            found.update(zip(here, heat, strict=True))
    return found


def _last_maps(backbone: Backbone) -> str | None:
    """The topmost layer that all data passes through and that still has height and width."""
    for layer in reversed(backbone.layers):
        height_and_width = layer.shape[:2] if len(layer.shape) == 3 else ()
        if layer.cuttable and height_and_width and all(side is None or side > 1 for side in height_and_width):
            return layer.name
    return None
