"""Samples of more than 8 bits that come from Pillow: scaled by ``data.depth``, or refused by name.

16-bit PNGs never come here: the graph scales them by the same rule (:mod:`transferkit.data.pixels.png`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from transferkit.data.pixels.decoding import DEPTHS

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["eight_bits", "is_deep", "refuse_shortened"]

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_MASK = "say it with data.depth, or convert the image to 8 or 16 bits"


def is_deep(image: Image) -> bool:
    """Whether Pillow holds more than 8 bits of each sample."""
    result: bool = image.mode.startswith(("I", "F"))
    return result


def eight_bits(image: Image, depth: str | int) -> np.ndarray:
    """uint8 ``[h, w]`` of an image for which :func:`is_deep` holds.

    Integers keep their upper 8 bits: of the format's, of ``depth``, or (``"auto"``) of the least of 8, 10,
    12, 14, 16, 24 and 31 that holds all values. Floats reach from 0 to 1 or, where they exceed that, over the
    same ranges as integers.

    Raises:
        ValueError: values that no such range holds; says which.
    """
    values = np.asarray(image)
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("samples that are no finite numbers; fill or remove them")
    if low < 0:
        raise ValueError(
            f"samples from {low:g} to {high:g}: negative values have no brightness; shift and scale them"
        )
    tags = getattr(image, "tag_v2", {})
    levels = (
        _of_floats(values, high, depth)
        if values.dtype.kind == "f"
        else _of_integers(values, high, depth, tags)
    )
    # 0 is white in files that say so; Pillow looks at that for 8 bits only.
    return 255 - levels if tags.get(_PHOTOMETRIC) == 0 else levels


def refuse_shortened(image: Image, depth: str | int) -> None:
    """Refuses colour with 16 bits a sample of which Pillow kept the upper 8, where they hold too little.

    Raises:
        ValueError: the values, or ``depth``, say that fewer than 16 bits are in use.
    """
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))
    if not isinstance(bits, tuple) or max(bits) <= 8 or is_deep(image) or depth == "format":
        return
    largest = int(np.asarray(image.convert("RGB")).max())
    if depth not in ("auto", max(bits)) or largest < 1 << 6:
        raise ValueError(
            f"colour of {max(bits)} bits a sample that uses the lower ones: only the upper 8 bits "
            'of such files can be read; convert it, or set data.depth = "format" to take them'
        )


def _of_integers(values: np.ndarray, high: float, depth: str | int, tags: Any) -> np.ndarray:
    stated = tags.get(_BITS_PER_SAMPLE, (16,))
    bits = max(stated) if isinstance(stated, tuple) else int(stated)
    if tags.get(_SAMPLE_FORMAT, (1,))[0] == 2 or bits == 32:
        bits -= 1  # signed, or held so
    if depth == "auto":
        bits = _least(high)
    elif depth != "format":
        bits = int(depth)
    result: np.ndarray = np.right_shift(np.minimum(values, (1 << bits) - 1), max(0, bits - 8)).astype(
        np.uint8
    )
    return result


def _of_floats(values: np.ndarray, high: float, depth: str | int) -> np.ndarray:
    most = 1.0
    if depth not in ("auto", "format"):
        most = float((1 << int(depth)) - 1)
    elif high > 1:
        if depth == "format" or high > 65535:
            ranges = "0 to 1" if depth == "format" else "0 to 1, or 0 to 255 up to 0 to 65535"
            raise ValueError(f"float samples up to {high:g}, expected {ranges}; {_MASK}")
        most = float((1 << _least(high)) - 1)
    return np.rint(np.clip(values / most, 0, 1) * 255).astype(np.uint8)


def _least(high: float) -> int:
    """The least number of bits, of those that are told apart, that holds a value."""
    return next((bits for bits in (*DEPTHS, 24) if high < 1 << bits), 31)
