"""What heads refuse when they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from transferkit.errors import fault
from transferkit.estimator.graph.calling import arguments

__all__ = [
    "check_loss_fn",
    "check_prediction_keys",
    "check_reduction",
    "check_thresholds",
    "check_vocabulary",
]

_REDUCTIONS = ("sum_over_batch_size", "sum", "auto")


def check_reduction(place: str, reduction: Any) -> str:
    """``reduction`` as a string: ``sum_over_batch_size``, ``sum`` or ``auto``, which means the first.

    Raises:
        ValueError: for anything else, ``none`` among it: a loss to train on is one number.
    """
    if reduction not in _REDUCTIONS:
        raise ValueError(fault(f"{place}.loss_reduction", reduction, "one of " + ", ".join(_REDUCTIONS)))
    return str(reduction)


def check_loss_fn(place: str, loss_fn: Callable[..., Any] | None) -> None:
    """Raises ValueError where ``loss_fn`` has other arguments than heads give it."""
    if not loss_fn:
        return
    names = [name for name in arguments(loss_fn) if name != "self"]
    missing = sorted({"labels", "logits"} - set(names))
    unknown = sorted(set(names) - {"labels", "logits", "features", "loss_reduction"})
    if missing or unknown:
        raise ValueError(
            fault(f"{place}.loss_fn", names, "arguments labels and logits, and features where it needs them")
        )


def check_thresholds(place: str, thresholds: Iterable[float] | None) -> tuple[float, ...]:
    """``thresholds`` as a tuple.

    Raises:
        ValueError: where one is not between 0 and 1.
    """
    given = tuple(thresholds) if thresholds else ()
    outside = [one for one in given if not 0.0 < one < 1.0]
    if outside:
        raise ValueError(fault(f"{place}.thresholds", outside, "numbers between 0 and 1, both excluded"))
    return given


def check_vocabulary(place: str, vocabulary: Sequence[str] | None, n_classes: Any = None) -> None:
    """Raises ValueError where ``vocabulary`` is no list or tuple, or not as long as there are classes.

    Args:
        place: name of the head, for messages.
        vocabulary: the classes' names.
        n_classes: how many there are; None where any number is right.
    """
    if vocabulary is None:
        return
    if not isinstance(vocabulary, (list, tuple)):
        raise ValueError(fault(f"{place}.label_vocabulary", type(vocabulary).__name__, "a list or a tuple"))
    if n_classes is not None and len(vocabulary) != n_classes:
        raise ValueError(
            fault(f"{place}.label_vocabulary", f"{len(vocabulary)} items", f"n_classes = {n_classes} of them")
        )


def check_prediction_keys(keys: Iterable[str], valid: Sequence[str]) -> None:
    """Raises ValueError for a key of predictions that the head does not have.

    Raises:
        ValueError: names those that are unknown.
    """
    unknown = [key for key in keys if key not in valid]
    if unknown:
        raise ValueError(fault("predictions.keys", unknown, "some of " + ", ".join(valid)))
