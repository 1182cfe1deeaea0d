"""What every test may ask for: where the development data lies, and a quiet TensorFlow."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "a missing package fails a test, which without this skips it (make test-extras)"
    parser.addoption("--packages-required", action="store_true", help=about)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--packages-required"):
        pytest.importorskip = lambda name, *given, **more: importlib.import_module(name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photos and real weights, or a skip that says what is missing.

    It is ``$TRANSFERKIT_TEST_DATA`` where that is set, else ``../shared/data`` beside the checkout.
    """
    named = os.environ.get("TRANSFERKIT_TEST_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the development data; {folder} is no folder (set TRANSFERKIT_TEST_DATA)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keeps activations out of the user's cache, and tests from finding what an earlier session left."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFERKIT_CACHE", str(folder))
        yield folder


@pytest.fixture
def keras_home(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Keras cache with real ImageNet weights, made Keras's own for the length of one test."""
    folder = shared_data / "keras_home"
    if not folder.is_dir():
        pytest.skip(f"needs real ImageNet weights; {folder} is no folder")
    monkeypatch.setenv("KERAS_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def noise_photos(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes folders of photos of noise whose classes differ in brightness alone.

    Called with a dictionary of class names and their mean brightness, ``count`` of each, the ``spread`` of a
    pixel and of a whole photo (``between``), the side in pixels and a ``seed``; gives the folder.
    """

    def make(
        classes: dict[str, float],
        count: int,
        spread: float,
        size: int = 24,
        between: float = 0,
        seed: int = 0,
    ) -> Path:
        root = tmp_path_factory.mktemp("photos")
        rng = np.random.default_rng(seed)
        for name, level in classes.items():
            (root / name).mkdir()
            for number in range(count):
                pixels = rng.normal(level + rng.normal(0, between), spread, (size, size, 3))
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(
                    root / name / f"{number:02}.png"
                )
        return root

    return make
