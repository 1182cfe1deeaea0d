"""TensorFlow's private names still are what the Estimator takes them for."""

from __future__ import annotations

import tensorflow as tf

from transferkit.private import tensorflow_names as private
from transferkit.private.tensorflow_attributes import losses_scaled

columns = tf.feature_column


def test_the_kinds_of_feature_columns():
    number = columns.numeric_column("a")
    classes = columns.categorical_column_with_identity("b", 3)
    assert isinstance(number, private.NumericColumn)
    assert isinstance(number, private.DenseColumn)
    assert not isinstance(number, private.CategoricalColumn)
    assert isinstance(classes, private.CategoricalColumn)
    assert isinstance(columns.embedding_column(classes, 2), private.DenseColumn)
    assert all(isinstance(one, private.FeatureColumn) for one in (number, classes))


def test_a_cache_computes_a_column_from_features():
    column = columns.numeric_column("a", normalizer_fn=lambda x: x * 2)
    cache = private.FeatureTransformationCache({"a": tf.constant([1.0, 2.0])})
    assert cache.get(column, None).numpy().tolist() == [[2.0], [4.0]]


def test_a_column_asks_its_state_manager_for_variables():
    class Manager(private.StateManager):
        def create_variable(self, feature_column, name, shape, **more):
            self.asked = name, tuple(shape)

    manager = Manager()
    columns.embedding_column(columns.categorical_column_with_identity("b", 3), 2).create_state(manager)
    assert manager.asked == ("embedding_weights", (3, 2))


def test_what_a_model_fn_is_traced_in_is_a_graph_that_captures():
    outside = tf.constant(2.0)
    graph = private.FuncGraph("traced")
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [])
        y = x * outside
    assert [held is outside for held, _ in graph.captures] == [True]
    graph.inputs, graph.outputs = [x, *(inner for _, inner in graph.captures)], [y]
    with tf.init_scope():
        function = private.function_of_graph("twice", graph, {})
    (answer,) = tf.nest.flatten(function.call_flat(tf.constant(3.0), outside))
    assert float(answer) == 6.0


def test_branches_and_loops_are_graphs_of_their_kinds():
    found = set()

    def note(x):
        found.add(type(tf.compat.v1.get_default_graph()))
        return x + 1

    @tf.function
    def both(x):
        y = tf.cond(x > 0, lambda: note(x), lambda: note(x))
        return tf.while_loop(lambda a: (note(a) > 0) & (a < 3), lambda a: (note(a),), (y,))

    both(tf.constant(1))
    assert {private.CondBranchFuncGraph, private.WhileBodyFuncGraph, private.WhileCondFuncGraph} <= found


def test_variables_are_of_these_classes():
    made = tf.Variable(1.0)
    assert isinstance(made, private.BaseResourceVariable)
    assert isinstance(private.ResourceVariable(1.0), private.BaseResourceVariable)
    with tf.Graph().as_default():
        assigned = private.ResourceVariable(1.0).assign(2.0)
        assert isinstance(assigned, private.UnreadVariable)
        assert assigned.op.type == "AssignVariableOp"


def test_an_iterator_is_made_of_its_resource():
    dataset = tf.data.Dataset.range(3)
    assert isinstance(iter(dataset), private.OwnedIterator)


def test_a_tracker_notes_the_tables_that_are_made():
    tracker = private.ResourceTracker()
    with private.tracking_resources(tracker):
        table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), 0)
        _ = table.resource_handle
    assert any(one is table for one in tracker.resources)
    assert isinstance(table, private.CapturableResource)


def test_random_operations_go_through_the_functions_that_are_replaced(monkeypatch):
    from transferkit.estimator.graph import random_ops

    for name in random_ops._FUNCTIONS.values():
        assert callable(getattr(private.random_functions, name))
    seen = []
    original = private.random_functions.random_standard_normal
    monkeypatch.setattr(
        private.random_functions, "random_standard_normal",
        lambda *given, **named: seen.append(1) or original(*given, **named),
    )  # fmt: skip
    tf.random.normal([2])
    assert seen == [1]


def test_a_session_of_ours_evaluates_tensors():
    class Ours(private.SessionInterface):
        graph = tf.Graph()

        def run(self, fetches, feed_dict=None, **more):
            return "ours"

    with Ours.graph.as_default():
        tensor = tf.constant(1)
        with private.default_session(Ours()):
            assert tensor.eval() == "ours"


def test_eager_execution_and_its_state():
    with tf.Graph().as_default():
        assert not tf.executing_eagerly()
        with private.eagerly():
            assert tf.executing_eagerly()
    tf.random.set_seed(12)
    assert private.eager_context()._seed == 12


def test_values_of_replicas_and_their_losses():
    strategy = tf.distribute.MirroredStrategy(["cpu:0"])
    grouped = private.regrouped((tf.constant(1), tf.constant(2)))
    assert [int(one) for one in strategy.experimental_local_results(grouped)][:1] == [1]
    losses, found = tf.compat.v1.losses, {}
    for reduction in (losses.Reduction.SUM, losses.Reduction.SUM_BY_NONZERO_WEIGHTS):
        with tf.Graph().as_default(), strategy.scope(), losses_scaled(strategy):
            losses.mean_squared_error([1.0], [2.0], reduction=reduction)
            found[reduction] = private.loss_reduction()
    assert list(found.values()) == [tf.distribute.ReduceOp.SUM, tf.distribute.ReduceOp.MEAN]


def test_replicas_meet_where_it_is_looked_for():
    import importlib
    import inspect

    module = importlib.import_module(private.MIRRORED_RUN)
    assert "threads" in inspect.getsource(module)


def test_a_function_is_folded_and_a_tflite_file_is_taken_apart():
    weight = tf.Variable(3.0)
    traced = tf.function(lambda x: x * weight).get_concrete_function(tf.TensorSpec([], tf.float32))
    folded = private.constants_of(traced)
    assert not [op for op in folded.graph.get_operations() if "ReadVariable" in op.type]
    schema = private.tflite_schema()
    assert schema.ModelT().subgraphs is None
    assert schema.BuiltinOperator.CONV_2D == 3


def test_writers_are_of_this_class(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path))
    assert isinstance(writer, private.SummaryWriter)


def test_messages_of_variables_checkpoints_and_saved_models(tmp_path):
    with tf.Graph().as_default():
        assert isinstance(tf.compat.v1.get_variable("v", []).to_proto(), private.VariableDef)
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    path = tf.train.Checkpoint(module=module).save(tmp_path / "checkpoint")
    text = tf.train.load_checkpoint(path).get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    names = {child.local_name for child in private.TrackableObjectGraph.FromString(text).nodes[0].children}
    assert "module" in names
    tf.saved_model.save(module, tmp_path / "model")
    saved = private.SavedModel.FromString((tmp_path / "model" / "saved_model.pb").read_bytes())
    assert saved.meta_graphs[0].HasField("object_graph_def")
