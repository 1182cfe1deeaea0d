"""Trackers are found by being there."""

from __future__ import annotations

from transferkit.discovery import own_modules
from transferkit.recipe.sections import TrackingSection


def test_each_tracker_has_its_switch_in_recipes_and_each_switch_its_tracker():
    switches = {name for name, field in TrackingSection.model_fields.items() if field.annotation is bool}
    assert len(switches) >= 2
    assert switches == set(own_modules("runs.tracking")) - {"tensorboard"}
