"""KerasHub presets; a tiny one is made here, so that no network is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from transferkit.backbones import load_backbone
from transferkit.errors import UserError

pytestmark = pytest.mark.extra

keras_hub = pytest.importorskip("keras_hub", reason="needs KerasHub: pip install 'transferkit[keras-hub]'")


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """The folder of a preset, its network, and its image converter."""
    folder = tmp_path_factory.mktemp("hub") / "tiny"
    network = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    network.save_to_preset(str(folder))
    converter = keras_hub.layers.ResNetImageConverter(
        image_size=(64, 64), scale=[1 / 127.5] * 3, offset=[-1.0, -1.0, -1.0]
    )
    converter.save_to_preset(str(folder))
    return folder, network, converter


def test_preset_with_its_converter(preset: tuple[Path, Any, Any]) -> None:
    folder, network, converter = preset
    backbone = load_backbone(f"keras_hub:{folder}")
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    wanted = keras.layers.GlobalAveragePooling2D()(network(converter(images)))
    assert backbone.name == "tiny"
    assert backbone.input_size == (64, 64)
    np.testing.assert_allclose(backbone.features(images), wanted, rtol=1e-5, atol=1e-6)
    assert backbone.stages[-1].name == "top"
    for stage in backbone.stages:
        cut = backbone.cut(stage.name)
        np.testing.assert_array_equal(cut.suffix(cut.prefix(images)), backbone.features(images))


def test_random_weights(preset: tuple[Path, Any, Any]) -> None:
    folder, *_ = preset
    own, drawn = load_backbone(f"keras_hub:{folder}"), load_backbone(f"keras_hub:{folder}", "random")
    assert own.weights_sha256 != drawn.weights_sha256


def test_no_such_preset(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="KerasHub says"):
        load_backbone(f"keras_hub:{tmp_path / 'none'}")
