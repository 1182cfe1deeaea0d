"""Any number of labels an image: a sigmoid for each, with a threshold for each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from transferkit.heads.linear import Linear

__all__ = ["MultiLabel"]


class MultiLabel(Linear):
    """The linear head, for images that may have several labels or none.

    Any other head takes ``multi_label = true`` as well. The loss is binary cross entropy, in which
    ``loss.class_weights`` are the weights of a label's presence; the thresholds are chosen on the validation
    images unless the recipe says them.
    """

    multi_label: Literal[True] = Field(
        True, description="always true: this head is for several labels an image"
    )
