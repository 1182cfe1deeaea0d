"""KerasHub's image backbones: the vision tower of a preset, at any size it takes, pooled as it is meant."""

from transferkit.backbones.keras_hub.load_preset import load_keras_hub

__all__ = ["load_keras_hub"]
