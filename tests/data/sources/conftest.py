"""Encoded pictures, each another."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def picture():
    """A function: number -> bytes of a JPEG (or another format)."""

    def make(number, format="JPEG"):
        pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format)
        return file.getvalue()

    return make
