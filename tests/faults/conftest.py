"""Inputs that several tests of faults share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def hashed_images(tmp_path_factory) -> Callable[[int, tuple[int, int]], list[tuple[str, Path]]]:
    """Makes images of noise: their content hashes and files, as the computation at the cut takes them."""

    def make(count: int, size: tuple[int, int]) -> list[tuple[str, Path]]:
        folder = tmp_path_factory.mktemp("images")
        rng = np.random.default_rng(1)
        made = []
        for number in range(count):
            path = folder / f"{number}.png"
            Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
            made.append((hashlib.sha256(path.read_bytes()).hexdigest(), path))
        return made

    return make
