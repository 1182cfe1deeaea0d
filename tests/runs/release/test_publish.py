"""What a release says that it does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from transferkit.recipe import load
from transferkit.runs.release.publish import Release


def test_a_check_that_is_not_made_is_not_said_to_be(tmp_path):
    checker: Any = SimpleNamespace()
    assert "left out" in Release(load(overrides=["export.parity=false"]), tmp_path, None).doing
    assert "asking the export" in Release(load(), tmp_path, checker).doing
