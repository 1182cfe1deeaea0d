"""Keras's optimizers, made from what a phase says."""

from __future__ import annotations

from transferkit.optimizers.make_optimizer import batches_seen, clips, make_optimizer
from transferkit.optimizers.slots import Slots

__all__ = ["Slots", "batches_seen", "clips", "make_optimizer"]
