"""Each family of KerasHub's image backbones on a tiny preset of random weights that is made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from transferkit.backbones import load_backbone
from transferkit.errors import UserError

pytestmark = pytest.mark.extra

keras_hub = pytest.importorskip("keras_hub", reason="needs KerasHub: pip install 'transferkit[keras-hub]'")
models: Any = keras_hub.models

SIZE = 32
TINY = {"num_layers": 2, "hidden_dim": 8, "num_heads": 2, "intermediate_dim": 16}
PATCHES = (SIZE // 8) ** 2


def vit() -> Any:
    return models.ViTBackbone(
        image_shape=(SIZE, SIZE, 3), patch_size=8, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16
    )


def two_towers(kind: str, vision: dict[str, Any] | None = None) -> Any:
    text = {"vocabulary_size": 11, "hidden_dim": 8, "num_layers": 1, "num_heads": 2, "intermediate_dim": 16}
    text |= {"embedding_dim": 8, "max_sequence_length": 6}
    towers = (
        getattr(models, f"{kind}VisionEncoder")(patch_size=8, image_shape=(SIZE, SIZE, 3), **TINY),
        getattr(models, f"{kind}TextEncoder")(**text),
    )
    more = {} if kind == "SigLIP" else {"projection_dim": 8}
    return getattr(models, f"{kind}Backbone")(*towers, **more)


def mobilenet() -> Any:
    one = {
        "stackwise_num_blocks": [1], "stackwise_expansion": [[16]], "stackwise_num_filters": [[8]],
        "stackwise_kernel_size": [[3]], "stackwise_num_strides": [[2]], "stackwise_se_ratio": [[None]],
        "stackwise_activation": [["relu"]], "stackwise_padding": [[1]], "output_num_filters": 16,
        "depthwise_filters": 8, "depthwise_stride": 2, "depthwise_residual": False,
        "last_layer_filter": 16, "squeeze_and_excite": 0.5, "image_shape": (None, None, 3),
        "input_activation": "relu", "output_activation": "relu", "input_num_filters": 8,
    }  # fmt: skip
    return models.MobileNetBackbone(**one)


def resnet_vd() -> Any:
    return models.ResNetBackbone(
        input_conv_filters=[4, 4, 8], input_conv_kernel_sizes=[3, 3, 3], stackwise_num_filters=[64, 16],
        stackwise_num_blocks=[1, 1], stackwise_num_strides=[1, 2], block_type="basic_block_vd",
        image_shape=(None, None, 3),
    )  # fmt: skip


def mit() -> Any:
    return models.MiTBackbone(
        layerwise_depths=[1, 1], num_layers=2, layerwise_num_heads=[1, 2], layerwise_sr_ratios=[2, 1],
        max_drop_path_rate=0.0, layerwise_patch_sizes=[7, 3], layerwise_strides=[4, 2],
        image_shape=(SIZE, SIZE, 3), hidden_dims=[8, 16],
    )  # fmt: skip


def efficientnet() -> Any:
    one: dict[str, Any] = {
        "kernel_sizes": [3, 3], "num_repeats": [1, 1], "input_filters": [8, 8], "output_filters": [8, 16],
        "expansion_ratios": [1, 2], "squeeze_and_excite_ratios": [0.25, 0.25], "strides": [1, 2],
        "block_types": ["v1", "v1"], "width_coefficients": [1.0, 1.0], "depth_coefficients": [1.0, 1.0],
        "force_input_filters": [0, 0], "nores_option": [False, False],
    }  # fmt: skip
    return models.EfficientNetBackbone(
        **{f"stackwise_{name}": value for name, value in one.items()}, input_shape=(None, None, 3)
    )


def hgnet() -> Any:
    return models.HGNetV2Backbone(
        depths=[1, 1], embedding_size=4, hidden_sizes=[8, 16], stem_channels=[3, 4, 4], hidden_act="relu",
        use_learnable_affine_block=False, apply_downsample=[False, True],
        use_lightweight_conv_block=[False, False],
        stackwise_stage_filters=[(4, 4, 8, 1, 1, 3), (8, 8, 16, 1, 1, 3)],
    )  # fmt: skip


def mobilenet_v5() -> Any:
    one = {
        "stackwise_block_types": [["er"], ["uir"]], "stackwise_num_blocks": [1, 1],
        "stackwise_num_filters": [[8], [16]], "stackwise_strides": [[2], [2]],
        "stackwise_act_layers": [["relu"], ["relu"]], "stackwise_exp_ratios": [[2.0], [2.0]],
        "stackwise_se_ratios": [[0.0], [0.0]], "stackwise_dw_kernel_sizes": [[0], [3]],
        "stackwise_dw_start_kernel_sizes": [[0], [0]], "stackwise_dw_end_kernel_sizes": [[0], [0]],
        "stackwise_exp_kernel_sizes": [[3], [0]], "stackwise_pw_kernel_sizes": [[1], [0]],
        "stackwise_num_heads": [[0], [0]], "stackwise_key_dims": [[0], [0]],
        "stackwise_value_dims": [[0], [0]],
        "stackwise_kv_strides": [[0], [0]], "stackwise_use_cpe": [[False], [False]], "use_msfa": False,
        "stem_size": 8, "image_shape": (None, None, 3),
    }  # fmt: skip
    return models.MobileNetV5Backbone(**one)


# Family: how it is made, the width of its features by default, the poolings it has, its blocks or stages.
MAPS = ("mean",)
TOKENS = ("cls", "mean", "cls+mean")
FAMILIES: dict[str, tuple[Callable[[], Any], int, tuple[str, ...], int]] = {
    "DINOV2": (
        lambda: models.DINOV2Backbone(
            patch_size=8, num_register_tokens=2, image_shape=(SIZE, SIZE, 3),
            position_embedding_shape=(48, 48, 3), **TINY,
        ), 16, TOKENS, 2,
    ),
    "DINOV3": (
        lambda: models.DINOV3Backbone(
            patch_size=8, num_register_tokens=2, image_shape=(SIZE, SIZE, 3), **TINY
        ),
        8, TOKENS, 2,
    ),
    "ViT": (vit, 8, TOKENS, 2),
    "DeiT": (lambda: models.DeiTBackbone(image_shape=(SIZE, SIZE, 3), patch_size=8, **TINY), 8, TOKENS, 2),
    "CLIP": (lambda: two_towers("CLIP"), 8, TOKENS, 2),
    "MetaCLIP2": (lambda: two_towers("MetaCLIP2"), 8, TOKENS, 2),
    "SigLIP": (lambda: two_towers("SigLIP"), 8, (), 2),
    "SwinTransformer": (
        lambda: models.SwinTransformerBackbone(
            image_shape=(SIZE, SIZE, 3), embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4
        ), 16, MAPS, 2,
    ),
    "MiT": (mit, 16, MAPS, 2),
    "EfficientNet": (efficientnet, 1280, MAPS, 1),
    "MobileNet": (mobilenet, 16, MAPS, 1),
    "MobileNetV5": (mobilenet_v5, 16, MAPS, 2),
    "ResNet": (resnet_vd, 16, MAPS, 2),
    "HGNetV2": (hgnet, 16, MAPS, 2),
    "DenseNet": (
        lambda: models.DenseNetBackbone(
            stackwise_num_repeats=[1, 1], image_shape=(None, None, 3), compression_ratio=0.5, growth_rate=4
        ), 38, MAPS, 2,
    ),
    "VGG": (
        lambda: models.VGGBackbone(
            stackwise_num_repeats=[1, 1], stackwise_num_filters=[4, 8], image_shape=(None, None, 3)
        ), 8, MAPS, 2,
    ),
    "CSPNet": (
        lambda: models.CSPNetBackbone(
            stem_filters=4, stem_kernel_size=3, stem_strides=2, stackwise_depth=[1, 1],
            stackwise_strides=[1, 2], stackwise_num_filters=[8, 16], block_type="dark_block",
            stage_type="dark", image_shape=(None, None, 3),
        ), 16, MAPS, 1,
    ),
    "Xception": (
        lambda: models.XceptionBackbone(
            stackwise_conv_filters=[[4, 8], [8, 8]], stackwise_pooling=[True, False],
            image_shape=(None, None, 3),
        ), 8, MAPS, 1,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Any, Any]]:
    """By family the folder of a preset, its network and its image converter, made when first asked for."""
    root = tmp_path_factory.mktemp("presets")
    made: dict[str, tuple[Path, Any, Any]] = {}

    def give(family: str) -> tuple[Path, Any, Any]:
        if family not in made:
            network = FAMILIES[family][0]()
            rng = np.random.default_rng(0)
            # So that no weight is zero or one, and each token and channel differs.
            network.set_weights([rng.normal(0, 0.3, one.shape).astype(np.float32) for one in network.weights])
            for layer in network._flatten_layers():
                if hasattr(layer, "moving_variance"):
                    layer.moving_variance.assign(np.abs(layer.moving_variance.numpy()) + 0.5)
            network.save_to_preset(str(root / family))
            network = type(network).from_preset(str(root / family))  # as anybody gets it
            converter = getattr(keras_hub.layers, f"{family}ImageConverter")(
                image_size=(SIZE, SIZE), scale=[1 / 127.5, 1 / 100, 1 / 127.5], offset=[-1.0, -0.9, -1.1]
            )
            converter.save_to_preset(str(root / family))
            made[family] = root / family, network, converter
        return made[family]

    return give


@pytest.fixture(scope="module")
def backbones(presets: Any) -> Callable[[str], Any]:
    """By family the backbone, opened once."""
    opened: dict[str, Any] = {}

    def give(family: str) -> Any:
        if family not in opened:
            opened[family] = load_backbone(f"keras_hub:{presets(family)[0]}")
        return opened[family]

    return give


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)


def as_kerashub_has_it(family: str, network: Any, converter: Any, images: np.ndarray) -> np.ndarray:
    """What KerasHub's own network gives for images that its own converter made."""
    x = np.asarray(converter(images))
    if hasattr(network, "vision_encoder"):
        given = network.vision_encoder({"images": x})
        return np.asarray(network.vision_post_layer_norm(given) if family == "MetaCLIP2" else given)
    given = network(x)
    return np.asarray(given["stage2"] if isinstance(given, dict) else given)


def pooled(given: np.ndarray, family: str, way: str | None) -> np.ndarray:
    if given.ndim == 2:
        return given
    if given.ndim == 4:
        return given.mean(axis=(1, 2))
    before = given.shape[1] - PATCHES if family != "SwinTransformer" else 0
    way = way or {"DINOV2": "cls+mean", "SwinTransformer": "mean"}.get(family, "cls")
    patches = given[:, before:].mean(axis=1)
    return {"cls": given[:, 0], "mean": patches, "cls+mean": np.hstack([given[:, 0], patches])}[way]


def test_every_family_with_an_image_converter_is_here_or_no_backbone_for_images() -> None:
    """A newer KerasHub may bring more: they work as networks of maps, or are added here."""
    known = {type(make()).__name__ for make, *_ in FAMILIES.values()}
    assert len(known) == len(FAMILIES)
    tasks = {
        "BASNet", "BLIP2", "DFine", "DeepLabV3", "DepthAnything", "Gemma3", "Gemma3n", "Gemma4", "PARSeq",
        "PaliGemma", "Qwen3_5", "RetinaNet", "SAM3PromptableConcept", "SAM", "SegFormer", "T5Gemma2",
        "VideoPrism",
    }  # fmt: skip
    converters = [getattr(keras_hub.layers, name) for name in dir(keras_hub.layers) if "ImageConv" in name]
    offered = {one.backbone_cls.__name__ for one in converters if one.backbone_cls is not None}
    if keras_hub.__version__ == "0.32.0":
        assert offered - {f"{name}Backbone" for name in tasks} == known


@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_those_of_kerashub(
    family: str, presets: Any, backbones: Any, images: np.ndarray
) -> None:
    _, network, converter = presets(family)
    backbone = backbones(family)
    assert backbone.input_size == (SIZE, SIZE)
    wanted = pooled(as_kerashub_has_it(family, network, converter, images), family, None)
    assert backbone.feature_width == FAMILIES[family][1] == wanted.shape[1]
    np.testing.assert_allclose(backbone.features(images), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["DINOV2", "DINOV3", "DeiT", "ViT"])
@pytest.mark.parametrize("way", TOKENS)
def test_each_pooling(family: str, way: str, presets: Any, images: np.ndarray) -> None:
    """Register tokens, and DeiT's token of distillation, are never averaged in."""
    folder, network, converter = presets(family)
    backbone = load_backbone(f"keras_hub:{folder}", pooling=way)
    wanted = pooled(as_kerashub_has_it(family, network, converter, images), family, way)
    np.testing.assert_allclose(backbone.features(images), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_stages_are_blocks_that_can_be_cut_and_frozen(
    family: str, backbones: Any, images: np.ndarray
) -> None:
    backbone = backbones(family)
    whole = np.asarray(backbone.features(images))
    names = [stage.name for stage in backbone.stages]
    assert names[-1] == "top"
    assert len(names) >= 1 + FAMILIES[family][3], names
    middle = backbone.cut(names[-2])
    np.testing.assert_allclose(middle.suffix(middle.prefix(images)), whole, rtol=1e-5, atol=1e-5)
    assert len({backbone.cut(name).fingerprint for name in names}) == len(names)
    first = backbone.cut(names[0])
    above = {id(one) for one in first.suffix_variables}
    assert 0 < len(above) <= len(backbone.variables)
    assert not above & {id(one) for one in first.prefix_variables}
    assert sum(layer.parameters for layer in backbone.layers) == sum(
        int(np.prod(one.shape)) for one in backbone.variables
    )


@pytest.mark.parametrize("family", [name for name, row in FAMILIES.items() if row[2] == TOKENS])
def test_blocks_learn_at_rates_of_their_own(family: str, backbones: Any) -> None:
    from transferkit.freezing import plan_freeze

    plan = plan_freeze("none", backbones(family), "frozen", 0.5)
    rates = {row.stage: row.lr_multiplier for row in plan.layers if row.parameters}
    assert rates["block_0"] < rates["block_1"]


@pytest.mark.parametrize("family", ["CLIP", "SigLIP", "MetaCLIP2"])
def test_the_text_tower_is_neither_built_nor_loaded(family: str, presets: Any, monkeypatch: Any) -> None:
    folder, network, _ = presets(family)
    encoder = getattr(models, f"{family}TextEncoder")

    def refuse(self: Any, *given: Any, **more: Any) -> None:
        raise AssertionError("the text tower was built")

    monkeypatch.setattr(encoder, "__init__", refuse)
    backbone = load_backbone(f"keras_hub:{folder}")
    norms = 2 if family == "MetaCLIP2" else 0
    assert len(backbone.variables) == len(network.vision_encoder.weights) + norms
    drawn = load_backbone(f"keras_hub:{folder}", "random")
    assert drawn.weights_sha256 != backbone.weights_sha256


@pytest.mark.parametrize("family", ["DINOV2", "DINOV3", "ResNet"])
def test_another_size_of_images(family: str, presets: Any) -> None:
    folder, network, converter = presets(family)
    larger = np.random.default_rng(2).integers(0, 256, (1, 48, 48, 3), dtype=np.uint8)
    backbone = load_backbone(f"keras_hub:{folder}", input_size=(48, 48))
    more = {} if family == "ResNet" else {"image_shape": (48, 48, 3)}
    again = type(network).from_preset(str(folder), **more)
    converter = type(converter).from_preset(str(folder), image_size=(48, 48))
    given = np.asarray(again(np.asarray(converter(larger))))
    wanted = given.mean(axis=(1, 2)) if given.ndim == 4 else given[:, 0]
    np.testing.assert_allclose(
        np.asarray(backbone.features(larger))[:, : wanted.shape[1]], wanted, rtol=1e-4, atol=1e-4
    )
    # What the random weights of a network are drawn for may be any size.
    assert load_backbone(f"keras_hub:{folder}", "random", (48, 48)).input_size == (48, 48)


@pytest.mark.parametrize("family", ["ViT", "DeiT", "CLIP", "SigLIP", "SwinTransformer"])
def test_positions_that_are_bound_to_a_size_say_so(family: str, presets: Any) -> None:
    folder, *_ = presets(family)
    with pytest.raises(UserError, match=r"backbone.input_size: .*\[32, 32\]"):
        load_backbone(f"keras_hub:{folder}", input_size=(48, 48))


def test_a_network_of_squares_says_so(presets: Any) -> None:
    folder, *_ = presets("DINOV2")
    with pytest.raises(UserError, match=r"^backbone\.input_size: received \[32, 48\]; .*same"):
        load_backbone(f"keras_hub:{folder}", input_size=(32, 48))
    wide, *_ = presets("DINOV3")
    assert load_backbone(f"keras_hub:{wide}", input_size=(32, 48)).input_size == (32, 48)


@pytest.mark.parametrize(
    ("family", "way", "said"),
    [
        ("ResNet", "cls", "gives a map"),
        ("SwinTransformer", "cls+mean", "no class token"),
        ("SigLIP", "cls", "attention of its own"),
        ("ViT", "cls_mean", "did you mean 'cls\\+mean'"),
    ],
)
def test_a_pooling_that_there_is_not(family: str, way: str, said: str, presets: Any) -> None:
    folder, *_ = presets(family)
    with pytest.raises(UserError, match=said) as error:
        load_backbone(f"keras_hub:{folder}", pooling=way)
    assert str(error.value).startswith("backbone.options.pooling: ")


def test_weights_in_shards(presets: Any, tmp_path: Path, images: np.ndarray) -> None:
    folder, network, _ = presets("CLIP")
    for name in ("config.json", "image_converter.json", "metadata.json"):
        (tmp_path / name).write_text((folder / name).read_text())
    network.save_weights(str(tmp_path / "model.weights.json"), max_shard_size=14e-6)
    assert len(list(tmp_path.glob("model_*.weights.h5"))) > 1
    whole, parts = (load_backbone(f"keras_hub:{one}").features(images) for one in (folder, tmp_path))
    np.testing.assert_array_equal(whole, parts)


# Layers of KerasHub 0.32 whose own constructors refuse the configuration that they state.
UNREADABLE = {
    "ViT": "ViTEncoderBlock, ViTPatchingAndEmbedding",
    "DeiT": "DeiTEmbeddings, DeiTEncoderBlock",
    "MiT": "HierarchicalTransformerEncoder",
    "SwinTransformer": "PatchEmbedding",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_keras_file_needs_no_transferkit_or_is_refused_before_the_work(
    family: str, backbones: Any, images: np.ndarray, tmp_path: Path
) -> None:
    import keras

    from transferkit.export.plain_keras import plain_model
    from transferkit.runs.release.artefacts import check_formats

    backbone = backbones(family)
    if keras_hub.__version__ == "0.32.0" and family in UNREADABLE:
        with pytest.raises(
            UserError, match=rf"^export\.formats: received 'keras'.*{UNREADABLE[family]}"
        ) as error:
            check_formats(["keras"], backbone)
        assert len(error.value.faults) == 1
        return
    check_formats(["keras"], backbone)
    width = backbone.feature_width
    layer = keras.Sequential([keras.Input((width,)), keras.layers.Dense(3)])
    network = SimpleNamespace(
        standardise=SimpleNamespace(mean=np.zeros(width, np.float32), scale=np.ones(width, np.float32)),
        layer=layer,
        temperature=1.0,
        head=SimpleNamespace(multi_label=False),
    )
    plain_model(backbone, network).save(tmp_path / "model.keras")
    # Keras imports KerasHub's layers by their names; it refuses to import transferkit's.
    opened = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    wanted = keras.ops.softmax(layer(np.asarray(backbone.features(images))))
    np.testing.assert_allclose(opened(images.astype(np.float32)), wanted, atol=1e-6)


def test_a_network_that_takes_more_than_images_is_refused(tmp_path: Path) -> None:
    text = {"vocabulary_size": 11, "hidden_dim": 8, "num_layers": 1, "num_heads": 2, "intermediate_dim": 16}
    models.BertBackbone(**text, max_sequence_length=6).save_to_preset(str(tmp_path / "bert"))
    with pytest.raises(UserError, match="image preset"):
        load_backbone(f"keras_hub:{tmp_path / 'bert'}")
