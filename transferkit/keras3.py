"""Keras for everything but the Estimator: with the settings that transferkit computes with."""

from __future__ import annotations

from transferkit.keras_import import keras
from transferkit.keras_settings import settle

__all__ = ["keras"]

settle(keras)
