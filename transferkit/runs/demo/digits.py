"""The demonstration: real images that a dependency carries, retrained on the embedded backbone."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["write_digits"]

_PIXELS = 64  # scikit-learn's digits are 8x8; enlarged, they are images as a user has them


def write_digits(folder: Path, most: int | None = None) -> Path:
    """Writes scikit-learn's 1797 handwritten digits as PNG class folders ``0`` to ``9``.

    The digits are scans of real handwriting: Alpaydin and Kaynak, Optical Recognition of Handwritten
    Digits, UCI Machine Learning Repository, CC BY 4.0.

    Args:
        folder: where the class folders go; made whole or left as it is when it exists.
        most: images a class, at most.
    """
    if folder.exists():
        return folder
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    written = dict.fromkeys(map(str, digits.target_names), 0)
    for index, (pixels, target) in enumerate(zip(digits.images, digits.target, strict=True)):
        name = str(target)
        if most is not None and written[name] >= most:
            continue
        written[name] += 1
        image = Image.fromarray(np.uint8(255 - pixels * (255 / 16)))  # dark ink on light paper
        path = partial / name / f"{index:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.resize((_PIXELS, _PIXELS), Image.Resampling.BICUBIC).save(path)
    partial.rename(folder)
    return folder
