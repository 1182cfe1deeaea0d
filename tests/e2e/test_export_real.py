"""Exports of a MobileNetV2 on real photos: exact formats to 1e-4, int8 within two points of float."""

from __future__ import annotations

import json

import pytest

import transferkit

pytestmark = [pytest.mark.real, pytest.mark.slow]

FORMATS = ["keras", "tflite", "tflite_float16", "tflite_dynamic", "tflite_int8"]


@pytest.fixture(scope="module")
def rows(shared_data, tmp_path_factory):
    """Format to its row of ``parity.json``, whatever the agreement of the quantised ones."""
    folder = shared_data / "flowers_small"
    if not folder.is_dir():
        pytest.skip(f"needs the flower photos; {folder} is no folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(shared_data / "keras_home"))
        run = transferkit.retrain(
            backbone="mobilenet_v2",
            data=folder,
            run=tmp_path_factory.mktemp("real") / "r",
            quiet=True,
            overrides=[("export.formats", FORMATS), ("export.agreement", 0.9)],
        )
    return {row["format"]: row for row in json.loads((run.path / "parity.json").read_text())["artefacts"]}


@pytest.mark.parametrize("name", ["saved_model", "keras", "tflite"])
def test_exact_formats_are_exact(name, rows):
    assert rows[name]["passed"], rows[name]["reason"]
    assert rows[name]["largest_difference"] <= 1e-4


@pytest.mark.parametrize("name", ["tflite_dynamic", "tflite_int8"])
def test_quantised_formats_are_within_two_points(name, rows):
    row = rows[name]
    assert row["images"] == 200
    assert row["accuracy"] >= row["accuracy_of_model"] - 0.02
    assert row["agreement"] >= 0.95
