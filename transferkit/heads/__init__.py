"""Heads: each module is one; features in, logits and answers out."""

from __future__ import annotations

from transferkit.heads._base import Head
from transferkit.heads._make import ReadyHead, make_head

Base = Head

__all__ = ["Base", "Head", "ReadyHead", "make_head"]
