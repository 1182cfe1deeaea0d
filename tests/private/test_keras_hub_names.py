"""Canaries: each private name of KerasHub still is what transferkit takes it for."""

from __future__ import annotations

from pathlib import Path

import pytest

from transferkit.private import keras_hub_names as private

pytestmark = pytest.mark.extra

keras_hub = pytest.importorskip("keras_hub", reason="needs KerasHub: pip install 'transferkit[keras-hub]'")


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("hub") / "tiny"
    keras_hub.models.ViTBackbone((32, 32, 3), 8, 1, 2, 16, 32).save_to_preset(str(folder))
    return str(folder)


def test_a_preset_tells_its_class_without_its_weights(preset: str) -> None:
    loader = private.preset_loader(preset)
    assert loader.check_backbone_class() is keras_hub.models.ViTBackbone
    assert tuple(loader.config["config"]["image_shape"]) == (32, 32, 3)
    assert private.in_keras_format(loader)
    assert not private.in_keras_format(object()), "such as what reads weights of another library"


def test_its_files_are_found(preset: str) -> None:
    assert private.preset_has_file(preset, "model.weights.h5")
    assert not private.preset_has_file(preset, "model.weights.json")
    assert Path(private.preset_file(preset, "model.weights.h5")).is_file()
