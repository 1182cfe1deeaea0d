"""Backbones: networks from raw images to pooled features, whatever they come from, and where to cut them.

``load_backbone`` takes what a user writes and gives a :class:`Backbone`; TensorFlow is imported only then.
"""

from __future__ import annotations

from transferkit.backbones.backbone import Backbone, BatchNorm, Cut, LayerFacts, Stage
from transferkit.backbones.load_backbone import load_backbone

__all__ = ["Backbone", "BatchNorm", "Cut", "LayerFacts", "Stage", "load_backbone"]
