"""The names of devices that recipes and ``--devices`` take."""

from __future__ import annotations

import re

from transferkit.errors import did_you_mean

__all__ = ["STRATEGIES", "names_several", "read_strategy"]

STRATEGIES = ("auto", "cpu", "gpu", "mirrored", "multi_worker", "tpu")


def names_several(text: str) -> bool:
    """Whether a strategy's name says that several devices of one process share a step.

    >>> names_several("gpu:0,2"), names_several("gpu:1"), names_several("auto")
    (True, False, False)
    """
    kind, numbers = read_strategy(text)
    return kind in ("mirrored", "tpu") or len(numbers) > 1


def read_strategy(text: str) -> tuple[str, tuple[int, ...]]:
    """The strategy and the numbers of its GPUs; no numbers where none are named.

    Raises:
        ValueError: it is no such name, or its list has a number twice or none.

    >>> read_strategy("gpu:0,2"), read_strategy("auto")
    (('gpu', (0, 2)), ('auto', ()))
    """
    if text in STRATEGIES:
        return text, ()
    kind, colon, listed = text.partition(":")
    if kind == "gpu" and colon:
        if not re.fullmatch(r"[0-9]{1,4}(,[0-9]{1,4})*", listed):
            raise ValueError(f"received {text!r}, expected numbers of GPUs from 0 on, such as gpu:0,2")
        numbers = tuple(int(one) for one in listed.split(","))
        if len(set(numbers)) < len(numbers):
            raise ValueError(f"received {text!r}, expected each GPU once")
        return kind, numbers
    hint = did_you_mean(text, STRATEGIES)
    words = f"received {text!r}, expected one of {', '.join(STRATEGIES)}, or gpu:0,2"
    raise ValueError(f"{words}; {hint}" if hint else words)
