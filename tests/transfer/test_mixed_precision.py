"""With mixed precision the layers above the cut compute in bfloat16 while training, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

import transferkit
from transferkit.find_card import load_card
from transferkit.recipe import load
from transferkit.training.parts import open_parts

SUMS = {"Conv2D", "DepthwiseConv2dNative", "MatMul"}


@pytest.fixture(scope="module")
def middle():
    stages = list(load_card("embedded").stages)
    return stages[len(stages) // 2]


@pytest.fixture(scope="module")
def network(middle):
    recipe = load(
        "retrain",
        [f"freeze={{until='{middle}'}}", "mixed_precision=true", "head.dropout=0.0"],
        backbone="embedded",
    )
    parts = open_parts(recipe, ("a", "b"))
    (phase,) = recipe.resolved_phases
    return parts.network(phase, parts.plan(phase))


def dtypes(network, training: bool) -> set[str]:
    """The types that sums of products are computed in, forward and backward."""

    @tf.function(autograph=False)
    def run(activations):
        with tf.GradientTape() as tape:
            logits = network.logits({"activations": activations}, training=training)
            assert logits.dtype == tf.float32
            loss = tf.reduce_sum(logits**2)
        return tape.gradient(loss, [one.value for one in network.trainable_variables])

    graph = run.get_concrete_function(tf.TensorSpec([4, *network.cut.shape], tf.float32)).graph
    found = [op for op in graph.get_operations() if op.type in SUMS]
    assert len(found) > 3
    return {op.get_attr("T").name for op in found}


def test_training_computes_in_bfloat16_and_nothing_else_does(network):
    assert dtypes(network, training=True) == {"bfloat16"}
    assert dtypes(network, training=False) == {"float32"}
    assert {str(one.dtype) for one in network.variables} == {"float32"}


def test_steps_move_float32_weights_by_nearly_the_same_gradient(network):
    rng = np.random.default_rng(0)
    activations = tf.constant(rng.random((8, *network.cut.shape), np.float32))
    labels = tf.constant([0, 1] * 4)
    # A head of noughts, as it begins, hands no gradient down.
    network.layer.set_weights([rng.normal(size=one.shape) for one in network.layer.get_weights()])
    found = []
    for training in (True, False):
        with tf.GradientTape() as tape:
            loss = network.head.loss(labels, network.logits({"activations": activations}, training=training))
        found.append(tape.gradient(loss, [one.value for one in network.cut.trainable_variables]))
    one, other = (np.concatenate([np.ravel(part) for part in gradients]) for gradients in found)
    assert found[0][0].dtype == tf.float32
    assert not np.array_equal(one, other)
    assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.9


@pytest.mark.slow
def test_the_export_of_such_a_run_is_float32_and_answers_alike(tmp_path, middle):
    rng = np.random.default_rng(3)
    data = tmp_path / "photos"
    for name, brightness in (("dark", 90), ("light", 250)):
        (data / name).mkdir(parents=True)
        for number in range(16):
            pixels = rng.integers(0, brightness, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(data / name / f"{number}.png")
    run = transferkit.retrain(
        data=data,
        run=tmp_path / "run",
        backbone="embedded",
        quiet=True,
        overrides=[
            "epochs=1",
            "export.parity=false",
            "batch_size=64",
            f"freeze={{until='{middle}'}}",
            "mixed_precision=true",
        ],
    )
    saved = saved_model_pb2.SavedModel.FromString((run.export_folder / "saved_model.pb").read_bytes())
    functions = saved.meta_graphs[0].graph_def.library.function
    sums = [node for one in functions for node in one.node_def if node.op in SUMS]
    assert len(sums) > 3
    assert {node.attr["T"].type for node in sums} == {tf.float32.as_datatype_enum}
    assert run.evaluate().metrics["log_loss"] == pytest.approx(run.metrics["log_loss"], abs=1e-5)
    history = (run.path / "history.jsonl").read_text().splitlines()
    assert len(history) == 2
