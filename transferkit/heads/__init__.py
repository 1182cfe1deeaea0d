"""Heads: each module is one; features in, logits and answers out."""

from __future__ import annotations

from transferkit.heads._base import ClosedForm, Divided, Head, Known
from transferkit.heads._branches import design_from
from transferkit.heads._closed import each_log_loss, one_hot, shrunk_scale
from transferkit.heads._describe import choice_of, describe_choice
from transferkit.heads._folds import fold_numbers
from transferkit.heads._make import ReadyHead, head_spec, make_head
from transferkit.heads._settle import mean_and_error

Base = Head

__all__ = [
    "Base",
    "ClosedForm",
    "Divided",
    "Head",
    "Known",
    "ReadyHead",
    "choice_of",
    "describe_choice",
    "design_from",
    "each_log_loss",
    "fold_numbers",
    "head_spec",
    "make_head",
    "mean_and_error",
    "one_hot",
    "shrunk_scale",
]
