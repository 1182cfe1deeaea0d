"""Keras's optimizers, made from what a phase says."""

from __future__ import annotations

from transferkit.optimizers.make import make_optimizer

__all__ = ["make_optimizer"]
