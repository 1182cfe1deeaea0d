"""Data sets made of scenes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

# Tests are imported one by one, without packages: what they share must be found by name.
sys.path.insert(0, str(Path(__file__).parent))

from scenes import scene


@pytest.fixture
def folder(tmp_path):
    """Two classes of eight scenes each in train, four in val; returns the data folder."""
    root = tmp_path / "data"
    for split, count, base in (("train", 8, 0), ("val", 4, 100)):
        for k, name in enumerate(("cat", "dog")):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                Image.fromarray(scene(base + 20 * k + i)).save(root / split / name / f"{i}.jpg", quality=92)
    return root
