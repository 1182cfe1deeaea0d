"""The plan: where the cut lies, what it costs, and the table by stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transferkit.backbones import load_backbone
from transferkit.freezing import plan_freeze


@pytest.mark.parametrize(
    ("freeze", "at"),
    [
        ("all", None),
        ("none", "images"),
        ({"until": "a"}, "a"),
        # Dropout that is active must lie above the cut.
        ({"until": "middle"}, "add"),
        ({"last": 1}, "c"),
        # The branch lies between two points through which all data passes.
        ([{"match": "b1", "trainable": True}, {"match": ".*", "trainable": False}], "a"),
        # Dropout alone is nothing to train for.
        ([{"match": "drop", "trainable": True}, {"match": ".*", "trainable": False}], None),
    ],
)
def test_cut_is_the_highest_point_below_what_trains(sketch: Any, freeze: Any, at: str | None) -> None:
    assert plan_freeze(freeze, sketch).at == at


def test_costs_by_hand(sketch: Any) -> None:
    rules = [{"match": "b1|bn", "trainable": True, "lr_multiplier": 0.1}, {"match": ".*", "trainable": False}]
    plan = plan_freeze(rules, sketch)
    assert plan.gflops_below == 1.0
    assert plan.gflops_above == 6.0
    # b1: its weights' gradient alone. c is frozen: the gradient passes through it.
    assert [layer.backward_gflops for layer in plan.layers] == [0, 0, 2.0, 0, 0, 4.0, 0, 0]
    assert plan.backward_gflops == 6.0
    assert plan.cut_shape == (4, 4, 2)
    assert plan.bytes_per_image == 128
    # Weights 78; of b1 and bn a gradient and two moments; six outputs above the cut, and the cut itself.
    assert plan.training_bytes(2) == 4 * (78 + 3 * 28 + 2 * (6 * 32 + 32))


def test_all_frozen(sketch: Any) -> None:
    plan = plan_freeze("all", sketch)
    assert plan.gflops_above == 0
    assert plan.backward_gflops == 0
    assert plan.cut_shape == (2,)
    assert plan.bytes_per_image == 8
    assert {stage.state for stage in plan.stages} == {"frozen"}
    assert {stage.above_cut for stage in plan.stages} == {False}


def test_stages(sketch: Any) -> None:
    rules = [{"match": "c", "trainable": True, "lr_multiplier": 0.5}, {"match": ".*", "trainable": False}]
    low, middle, high, rest = plan_freeze(rules, sketch).stages
    assert [one.name for one in (low, middle, high, rest)] == ["low", "middle", "high", ""]
    assert (low.state, middle.state, high.state) == ("frozen", "frozen", "partly")
    assert high.lr_multiplier == (0.5, 0.5)
    assert (high.parameters, high.trainable_parameters) == (48, 40)
    assert high.batch_norm == "frozen"
    # The dropout of this stage is frozen, and so lies below the cut.
    assert high.above_cut is None
    assert rest.above_cut is True


def test_batch_norm_modes(sketch: Any) -> None:
    modes = {layer.name: layer.batch_norm for layer in plan_freeze("none", sketch, "train").layers}
    assert modes["bn"] == "train"
    assert modes["c"] == ""
    assert plan_freeze("none", sketch).layers[6].batch_norm == "frozen"
    assert plan_freeze({"until": "bn"}, sketch, "train").layers[6].batch_norm == "frozen"


def test_layer_decay_by_stage(sketch: Any) -> None:
    shares = {one.name: one.lr_multiplier for one in plan_freeze("none", sketch, layer_decay=0.5).layers}
    assert (shares["a"], shares["b1"], shares["c"]) == (0.25, 0.5, 1.0)


def test_what_is_not_visible_is_not_counted(sketch: Any) -> None:
    from dataclasses import replace

    sketch.layers = (*sketch.layers[:5], replace(sketch.layers[5], gflops=None), *sketch.layers[6:])
    plan = plan_freeze({"until": "a"}, sketch)
    assert plan.gflops_below == 1.0
    assert plan.gflops_above is None
    assert plan.backward_gflops is None


def test_plan_and_cut_agree(mobilenet: Any) -> None:
    rules = [
        {"match": "block_15_.*", "trainable": True, "lr_multiplier": 0.1},
        {"match": "Conv_1.*", "trainable": True},
        {"match": ".*", "trainable": False},
    ]
    plan = plan_freeze(rules, mobilenet)
    cut = plan.cut()
    assert plan.at == cut.at == "block_14_add"
    assert plan.cut_shape == cut.shape
    # Three convolutions and normalisations of the block, one of each on top; none of block 16 between them.
    assert len(cut.trainable_variables) == 3 * 3 + 3
    assert not [one.path for one in cut.trainable_variables if one.path.startswith("block_16")]
    assert len(cut.frozen_variables) + len(cut.trainable_variables) == len(mobilenet.variables)
    shares = plan.lr_multipliers([*cut.trainable_variables, object()])
    assert shares == [0.1] * 9 + [1.0] * 3 + [1.0]
    image = np.zeros((1, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(cut.suffix(cut.prefix(image)), mobilenet.features(image))


def test_nothing_frozen_keeps_pixels_below(mobilenet: Any) -> None:
    plan = plan_freeze("none", mobilenet)
    cut = plan.cut()
    assert cut.at == "pixels"
    assert cut.prefix_variables == ()
    assert len(cut.trainable_variables) == 156


@pytest.mark.slow
def test_networks_whose_cells_read_two_tensors_are_cut_below_them() -> None:
    nasnet = load_backbone("nasnet_mobile", "random", (32, 32))
    plan = plan_freeze({"last": 5}, nasnet)
    assert plan.at == "stem_bn1"
    still = [layer for layer in plan.layers if layer.above_cut and not layer.trainable]
    assert len(still) > 600


def test_module_without_visible_layers(tmp_path: Any) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.scale = tf.Variable([1.0, 2.0, 3.0])
    module.variables_ = [module.scale]
    spec = tf.TensorSpec([None, 8, 8, 3], tf.float32)
    module.__call__ = tf.function(lambda x: tf.reduce_mean(x, [1, 2]) * module.scale, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path))
    backbone = load_backbone(f"hub:{tmp_path}")
    frozen, open_ = plan_freeze("all", backbone), plan_freeze("none", backbone)
    assert (frozen.at, open_.at) == (None, "images")
    assert len(open_.cut().trainable_variables) == 1
    assert frozen.gflops_below is None
