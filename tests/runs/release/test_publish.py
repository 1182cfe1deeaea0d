"""What a release says that it does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from transferkit.errors import GateError
from transferkit.recipe import load
from transferkit.runs.release.publish import Release, raise_if_refused


def test_a_check_that_is_not_made_is_not_said_to_be(tmp_path):
    checker: Any = SimpleNamespace()
    assert "left out" in Release(load(overrides=["export.parity=false"]), tmp_path, None).doing
    assert "asking the export" in Release(load(), tmp_path, checker).doing


def test_what_makes_a_refused_export_again_can_be_pasted():
    """Also where the run's folder has a space in its name."""
    refused: Any = SimpleNamespace(refused=[SimpleNamespace(format="tflite", reason="it differs")])
    calibrated: Any = SimpleNamespace(shortfall=None)
    with pytest.raises(GateError, match="`transferkit export 'runs/my photos' --format tflite`"):
        raise_if_refused(calibrated, refused, "runs/my photos")
