"""Canaries: each private attribute of TensorFlow's objects still is what the Estimator takes it for."""

from __future__ import annotations

import random

import numpy as np
import pytest
import tensorflow as tf

from transferkit.private import tensorflow_attributes as private
from transferkit.private.tensorflow_names import FuncGraph, loss_reduction

v1 = tf.compat.v1


def test_a_saver_hook_tells_how_it_was_made(tmp_path):
    listener = v1.train.CheckpointSaverListener()
    hook = v1.train.CheckpointSaverHook(str(tmp_path), save_steps=7, listeners=[listener])
    assert private.saver_hook(hook) == (7, None, [listener], str(tmp_path))
    assert private.saver_hook(v1.train.CheckpointSaverHook(str(tmp_path), save_secs=3)).every_secs == 3


def test_a_saver_tells_what_it_keeps():
    with tf.Graph().as_default():
        v1.get_variable("a", [1])
        saver = v1.train.Saver(max_to_keep=3, keep_checkpoint_every_n_hours=2.0, defer_build=True)
    assert private.kept_by_saver(saver) == (3, 2.0)


def test_a_module_that_warns_tells_what_it_stands_for():
    assert private.module_inside(v1) is not v1
    assert private.module_inside(v1).Session is v1.Session
    assert private.module_inside(random) is random


def test_summary_hooks_tell_their_folder(tmp_path):
    hook = v1.train.SummarySaverHook(save_steps=1, output_dir=str(tmp_path), summary_op="none")
    assert private.folder_of_hook(hook) == str(tmp_path)
    assert private.folder_of_hook(v1.train.SessionRunHook()) is None


def test_strategies_tell_their_workers():
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    assert (private.workers_of(strategy), private.number_of_worker(strategy)) == (1, 0)
    # The attributes are there, and not their stand-ins.
    assert hasattr(strategy.extended, "_num_workers")
    assert hasattr(strategy.extended, "_id_in_cluster")
    one = tf.distribute.OneDeviceStrategy("cpu:0")
    assert (private.workers_of(one), private.number_of_worker(one)) == (1, 0)


def test_optimizers_of_tensorflow_1_average_over_replicas():
    strategy = tf.distribute.MirroredStrategy(["cpu:0"])
    with private.losses_scaled(strategy):
        pass


def test_control_edges_and_inputs_are_changed():
    with tf.Graph().as_default():
        first, second = tf.constant(1), tf.constant(2)
        total = tf.add(first, first).op
        private.add_control_inputs(total, [second.op])
        assert list(total.control_inputs) == [second.op]
        private.remove_control_inputs(total)
        assert not total.control_inputs
        private.replace_input(total, 1, second)
        assert [one.name for one in total.inputs] == [first.name, second.name]


def test_a_graph_gives_its_functions():
    @tf.function
    def double(x):
        return x * 2

    with tf.Graph().as_default() as graph:
        double(tf.constant(1.0))
        (call,) = [op for op in graph.get_operations() if "PartitionedCall" in op.type]
        name = call.get_attr("f").name
    assert "Mul" in str(private.function_in(graph, name).cached_definition.node_def)


def test_variables_tell_handle_first_value_and_part():
    made = tf.Variable([1.0, 2.0])
    assert private.handle_of(made) is made.handle
    assert private.first_value_operation(made) is None
    assert private.slice_of(made) is None
    assert private.container_handle(made) is None
    with tf.Graph().as_default():
        assert isinstance(private.first_value_operation(v1.get_variable("a", [1])), tf.Operation)
        whole = v1.get_variable("b", [4], partitioner=v1.fixed_size_partitioner(2))
        info = private.slice_of(next(iter(whole)))
    assert (info.full_name, info.full_shape, info.var_offset) == ("b", [4], [0])


def test_a_copy_leads_to_the_variable_that_it_is_of():
    strategy = tf.distribute.MirroredStrategy(["cpu:0"])
    with strategy.scope():
        made = tf.Variable(1.0)
    (copy,) = strategy.experimental_local_results(made)
    assert private.container_handle(copy) is made


def test_a_table_tells_its_handle():
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), 0)
    assert private.resource_handle(table) is table.resource_handle


def test_wrapping_optimizers_tell_what_they_wrap():
    inner = v1.train.GradientDescentOptimizer(0.1)
    outer = v1.train.SyncReplicasOptimizer(inner, replicas_to_aggregate=2, total_num_replicas=3)
    assert private.wrapped_optimizer(outer) is inner
    assert private.replicas_awaited(outer) == 3
    assert private.wrapped_optimizer(v1.tpu.CrossShardOptimizer(inner)) is inner


def test_a_seed_holds_for_a_while_and_draws_the_same():
    def draw():
        dataset = tf.data.Dataset.range(20).shuffle(20)
        return [int(one) for one in dataset]

    with private.global_seed(3, random.Random(3)):
        first = draw()
    with private.global_seed(3, random.Random(3)):
        assert draw() == first
    with private.global_seed(4, random.Random(4)):
        assert draw() != first


def test_variables_are_told_that_a_branch_reads():
    inside, outside, told = tf.Variable(1.0), tf.Variable(2.0), []
    graph = FuncGraph("graph")
    private.tell_watched(graph, told.append)
    with graph.as_default():
        on = tf.compat.v1.placeholder(tf.bool, [])
        outside.read_value()
        tf.cond(on, lambda: inside + 1, lambda: 0.0)
    assert [any(one is v for one in told) for v in (inside, outside)] == [True, True]
    assert any(one is inside for one in graph._watched_variables)


def test_datasets_tell_what_they_are_made_of():
    source = tf.data.Dataset.range(3)
    mapped = source.map(lambda x: (x, tf.cast(x, tf.float32)))
    assert private.inputs_of(mapped) == [source]
    assert len(private.functions_of(mapped)) == 1
    assert private.functions_of(source) == []
    types, shapes = private.flat_elements(mapped)
    assert list(types) == [tf.int64, tf.float32]
    assert [shape.as_list() for shape in shapes] == [[], []]
    assert private.variant_of(mapped).dtype == tf.variant


@pytest.mark.parametrize("name", ["", "some/file"])
def test_a_cache_tells_its_file(name):
    assert private.cache_file_of(tf.data.Dataset.range(3).cache(name)) == name


def test_iterators_are_reached_and_keep_their_dataset():
    dataset = tf.data.Dataset.range(3)
    iterator = iter(dataset)
    resource = private.iterator_resource(iterator)
    (first,) = tf.raw_ops.IteratorGetNext(iterator=resource, output_types=[tf.int64], output_shapes=[[]])
    assert int(first) == 0
    other = tf.data.Dataset.range(2)
    private.keep_dataset(iterator, other)
    assert iterator._dataset is other


def test_options_are_told_to_an_operation():
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    assert private.options_text(options) != private.options_text(tf.data.Options())


def test_all_ways_to_an_iterator_of_tensorflow_1_come_down_to_two_methods():
    def refuse(self, *args, **kwargs):
        raise LookupError

    dataset = v1.data.Dataset.range(2)
    with private.iterator_makers(refuse):
        for make in (v1.data.make_one_shot_iterator, v1.data.make_initializable_iterator):
            with pytest.raises(LookupError):
                make(dataset)
        with pytest.raises(LookupError):
            dataset.make_one_shot_iterator()
    with tf.Graph().as_default():
        assert v1.data.make_one_shot_iterator(v1.data.Dataset.range(2)) is not None


def test_a_function_goes_by_its_definition_once_its_graph_is_forgotten():
    from transferkit.private import tensorflow_names as names

    with tf.Graph().as_default():
        graph = names.FuncGraph("doubled")
        with graph.as_default():
            x = v1.placeholder(tf.float32, [])
            graph.inputs, graph.outputs = [x], [x * 2]
    with tf.init_scope():
        function = names.function_of_graph("doubled_once", graph, {})
    private.forget_graph(function)
    assert np.asarray(function.call_flat(tf.constant(3.0))).tolist() in ([6.0], 6.0)


def test_what_launches_collective_operations_has_a_token():
    from tensorflow.python.distribute import cross_device_utils

    assert cross_device_utils.CollectiveReplicaLauncher.__name__ == private._LAUNCHER
    launcher = cross_device_utils.CollectiveReplicaLauncher.__new__(
        cross_device_utils.CollectiveReplicaLauncher
    )
    launcher._ordering_token = "token"
    assert private.ordering_token(launcher) == "token"
    assert private.ordering_token(object()) is None


def test_a_loss_is_noted_as_tensorflow_s_own_losses_note_theirs():
    strategy = tf.distribute.MirroredStrategy(["cpu:0"])
    with tf.Graph().as_default(), strategy.scope(), private.losses_scaled(strategy):
        private.note_loss_reduction(v1.losses.Reduction.SUM)
        assert loss_reduction() == tf.distribute.ReduceOp.SUM
        private.note_loss_reduction(v1.losses.Reduction.MEAN)
        assert loss_reduction() == tf.distribute.ReduceOp.MEAN


def test_feature_columns_are_of_the_second_kind():
    assert private.is_v2_column(tf.feature_column.numeric_column("a"))
