"""What a step says of itself."""

from __future__ import annotations

import pytest

from transferkit.runs.best.staircase import Step


@pytest.mark.parametrize(("gain", "way"), [(0.05, "lower by 0.0500"), (-0.05, "higher by 0.0500")])
def test_a_step_says_which_way_the_loss_went(gain, way):
    """And not that it is lower by less than nothing."""
    line = Step("crops", 0.9, 0.8, 0.95, 0.3, gain, 0.01).describe()
    assert f"log loss {way} (standard error 0.0100): not kept" in line
