"""Writing a SavedModel when the process is killed in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from transferkit.export.export_spec import About, ExportSpec
from transferkit.export.formats import saved_model


def test_nothing_lies_beside_a_version_while_it_is_written(tmp_path, monkeypatch):
    """What is inside is taken away with a version that a killed process left; what lies beside would stay."""
    beside = []

    def interrupted(module, place, **_):
        beside.extend(Path(place).parent.iterdir())
        raise KeyboardInterrupt

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.uint8)])
    def probabilities(images):
        return tf.ones([tf.shape(images)[0], 2]) / 2

    monkeypatch.setattr(saved_model.tf.saved_model, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        saved_model.write(ExportSpec(probabilities, [], About(("a", "b"), (8, 8))), tmp_path / "new")
    assert beside == [tmp_path / "new"]
