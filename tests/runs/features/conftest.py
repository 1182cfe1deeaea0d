"""One small run that all tests of features ask."""

from __future__ import annotations

import pytest

import transferkit


@pytest.fixture(scope="session")
def photos(noise_photos):
    return noise_photos({"dark": 40, "grey": 120, "light": 210}, 14, 20, between=6)


@pytest.fixture(scope="session")
def run(photos, tmp_path_factory):
    """A run on the embedded backbone."""
    return transferkit.retrain(
        data=photos,
        backbone="embedded",
        run=tmp_path_factory.mktemp("runs") / "run",
        epochs=2,
        overrides=["evaluation.resamples=20", "export.parity=4"],
        quiet=True,
    )
