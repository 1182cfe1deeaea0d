"""Pictures made on the spot: smooth random scenes, no two alike."""

from __future__ import annotations

import numpy as np
from PIL import Image


def scene(seed, size=(96, 128)):
    """uint8 ``[h, w, 3]``: random low frequencies and some shapes."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    picture = np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC)).copy()
    for _ in range(4):
        y, x = rng.integers(0, size[0] - 24), rng.integers(0, size[1] - 24)
        picture[y : y + 24, x : x + 24] = rng.integers(0, 256, 3)
    return picture


def small(picture):
    """As the check sees it: uint8 ``[32, 32, 3]``."""
    return np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BOX))
