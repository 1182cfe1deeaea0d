"""Two models on the same images: is one really better, or was it chance?

Both saw the same images, so only those count on which exactly one of the two is right. McNemar's exact test
asks whether such images fall to both sides alike; an interval for pairs says how large the difference is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

import numpy as np

from transferkit.errors import UserError, fault
from transferkit.intervals import difference_interval
from transferkit.type_names import NamedValues

__all__ = ["Comparison", "compare"]


class _Predicted(Protocol):
    """An Evaluation or Predictions."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def paths(self) -> tuple[str, ...] | None: ...
    @property
    def labels(self) -> np.ndarray: ...
    @property
    def predicted(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Comparison:
    """How a second model fares against a first one on the images that both were evaluated on.

    Attributes:
        images: how many images both have.
        left_out: how many only one of them has.
        first_accuracy, second_accuracy: on the common images.
        difference: second minus first.
        low, high: the interval of the difference (Agresti and Min 2005).
        both_right, both_wrong, only_first_right, only_second_right: how many images.
        p_value: of McNemar's exact test, two-sided: how likely so uneven a split is by chance alone.
        only_first, only_second: the names of the images that only one of them has right.
    """

    images: int
    left_out: int
    first_accuracy: float
    second_accuracy: float
    difference: float
    low: float
    high: float
    both_right: int
    both_wrong: int
    only_first_right: int
    only_second_right: int
    p_value: float
    only_first: tuple[str, ...] = field(repr=False)
    only_second: tuple[str, ...] = field(repr=False)

    @property
    def significant(self) -> bool:
        """Whether chance alone is an unlikely reason for the difference, at the usual level of 0.05."""
        return self.p_value < 0.05 and bool(self.only_first or self.only_second)

    @property
    def verdict(self) -> str:
        """One sentence, at the usual level of 0.05."""
        return self.sentence("the first", "the second")

    def sentence(self, first: str, second: str) -> str:
        """The verdict with the models' names."""
        if not self.only_first and not self.only_second:
            return "no difference beyond chance: both are right about the same images"
        p = f"p = {self.p_value:.2g}" if self.p_value >= 0.001 else "p < 0.001"
        if not self.significant:
            return f"not significant, {p}: chance alone explains such a difference"
        better = second if self.difference > 0 else first
        return f"significant, {p}: {better} is better by {100 * abs(self.difference):.1f} points"

    def to_dict(self) -> NamedValues:
        """All of it, ready for JSON."""
        return {**asdict(self), "verdict": self.verdict}


def compare(
    first: _Predicted,
    second: _Predicted,
    *,
    first_keys: Sequence[str] | None = None,
    second_keys: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> Comparison:
    """Compares two models image by image.

    Args:
        first, second: evaluations, or what :func:`read_predictions` gave. Their classes may be in different
            orders, but must be the same.
        first_keys, second_keys: what tells the images apart, one an image; their paths by default. Content
            hashes also match images that have moved.
        confidence: coverage of the interval of the difference, 0 to 1.

    Raises:
        UserError: no common images, a key that occurs twice with different labels, other classes, or an image
            that is labelled differently in the two.
    """
    if set(first.classes) != set(second.classes):
        odd = sorted(set(first.classes) ^ set(second.classes))
        raise UserError(fault("classes", odd, "the same classes in both runs"))
    left, right = _by_key(first, first_keys, "first"), _by_key(second, second_keys, "second")
    common = _in_both(left, right)
    first_right = np.array([left[key][1] for key in common])
    second_right = np.array([right[key][1] for key in common])
    only_first, only_second = first_right & ~second_right, second_right & ~first_right
    both_right, both_wrong = first_right & second_right, ~first_right & ~second_right
    counts = np.array([one.sum() for one in (both_right, only_first, only_second, both_wrong)])

    low, high = difference_interval(counts.tolist(), confidence)
    return Comparison(
        images=len(common),
        left_out=len(left) + len(right) - 2 * len(common),
        first_accuracy=float(first_right.mean()),
        second_accuracy=float(second_right.mean()),
        difference=float(counts[2] - counts[1]) / len(common),
        low=low,
        high=high,
        both_right=int(counts[0]),
        both_wrong=int(counts[3]),
        only_first_right=int(counts[1]),
        only_second_right=int(counts[2]),
        p_value=_exact_mcnemar(int(counts[1]), int(counts[2])),
        only_first=tuple(np.array(common, dtype=object)[only_first].tolist()),
        only_second=tuple(np.array(common, dtype=object)[only_second].tolist()),
    )


# Key of an image to the names of its labels, and whether it was predicted right.
_Answers = dict[str, tuple[frozenset[str], bool]]


def _in_both(left: _Answers, right: _Answers) -> list[str]:
    """The keys of the images that both have, which must be labelled alike."""
    common = [key for key in left if key in right]
    if not common:
        hint = "evaluate both on the same data: transferkit evaluate RUN --data DIR"
        raise UserError(fault("runs", f"{len(left)} and {len(right)} images", "some image in both", hint))
    moved = [key for key in common if left[key][0] != right[key][0]]
    if moved:
        raise UserError(fault(f"image {moved[0]}", expected="the same label in both runs"))
    return common


def _by_key(run: _Predicted, keys: Sequence[str] | None, which: str) -> _Answers:
    """Label names and whether right, by key."""
    if keys is None:
        keys = run.paths
    if keys is None:
        raise ValueError(f"the {which} has no paths: give {which}_keys")
    names = run.classes
    table: _Answers = {}
    for key, label, said in zip(keys, run.labels, run.predicted, strict=True):
        true = (
            frozenset(names[i] for i in np.flatnonzero(label))
            if np.ndim(label)
            else frozenset([names[label]])
        )
        row = (true, bool(np.all(label == said)))
        if table.setdefault(key, row) != row:
            raise UserError(
                fault(f"image {key}", expected=f"one row in the {which} run", hint="it has several")
            )
    return table


def _exact_mcnemar(one: int, other: int) -> float:
    """Two-sided exact p value that ``one`` and ``other`` come of a fair coin."""
    if one == other:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(min(one, other), one + other, 0.5).pvalue)
