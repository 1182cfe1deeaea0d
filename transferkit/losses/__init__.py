"""Losses: each module is one; labels and logits in, a number for each sample out."""

from __future__ import annotations

from transferkit.losses._base import Loss
from transferkit.losses._make import ReadyLoss, make_loss

Base = Loss

__all__ = ["Base", "Loss", "ReadyLoss", "make_loss"]
