"""A traced graph as sessions know it: variables as operations of the graph, a saver, a MetaGraphDef.

For what reads ``.meta`` files and ``graph.pbtxt``, and for SavedModels of training and evaluation. The first
value of each variable is zero there; its values come from the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from transferkit.estimator.graph.mode_graph import Traced
from transferkit.estimator.variables import slices
from transferkit.estimator.variables.storage import handles_of
from transferkit.estimator.variables.variables import VariableStore
from transferkit.private.tensorflow_names import ResourceVariable, VariableDef

__all__ = ["SessionGraph", "initial_locals", "session_graph"]

v1 = tf.compat.v1
_KEYS = v1.GraphKeys


class SessionGraph(NamedTuple):
    """A graph for sessions.

    Attributes:
        graph: the graph.
        saver_def: the saver of its variables, by their names in checkpoints.
        variables: VariableDef protos by checkpoint name; the graph's collections hold the variables.
        prefix: what stands before the names of the traced graph's operations.
    """

    graph: tf.Graph
    saver_def: Any
    variables: dict[str, Any]
    prefix: str

    def tensor(self, traced: Any) -> Any:
        """The tensor or operation that stands for one of the traced graph."""
        return self.graph.as_graph_element(self.prefix + traced.name)

    def meta_graph(self) -> Any:
        """The MetaGraphDef: graph, saver and variables."""
        with self.graph.as_default():
            return v1.train.export_meta_graph(graph=self.graph, saver_def=self.saver_def)


def session_graph(
    traced: Traced,
    store: VariableStore,
    graph: tf.Graph | None = None,
    inputs: Mapping[str, Any] | None = None,
) -> SessionGraph:
    """The graph of ``traced`` with its variables as operations.

    Args:
        traced: the graph of one mode.
        store: its variables.
        graph: where it is put below the name ``model``; a new one without such a name where it is None.
        inputs: name of a tensor of the traced graph -> tensor of ``graph`` that stands for it.
    """
    definition = traced.graph.as_graph_def()
    named = _own_variables(definition, traced, store)
    prefix = "model/" if graph is not None else ""
    graph = graph if graph is not None else tf.Graph()
    with graph.as_default(), v1.device("/cpu:0"):
        tf.import_graph_def(definition, dict(inputs or {}), name=prefix.rstrip("/"))
        variables: dict[str, Any] = {}
        handles = {name: graph.get_tensor_by_name(f"{prefix}{op}:0") for name, op in named.items()}
        saver_def = _saver(store, handles, variables)
        trained = {store.name_of(v) for v in traced.graph.get_collection(_KEYS.TRAINABLE_VARIABLES)}
        for name, proto in variables.items():
            keys = (_KEYS.GLOBAL_VARIABLES, _KEYS.TRAINABLE_VARIABLES)[: 1 + (name in trained)]
            graph.add_to_collections(keys, ResourceVariable.from_proto(proto))
    return SessionGraph(graph, saver_def, variables, prefix)


def _own_variables(definition: Any, traced: Traced, store: VariableStore) -> dict[str, str]:
    """Makes what the graph takes from outside its own: variables by name, values as constants.

    Returns:
        Name of each saved variable -> name of the operation that is its handle.
    """
    nodes = {node.name: node for node in definition.node}
    local = {variable.name.split(":")[0]: variable for variable, _ in store.local.values()}
    handles: dict[str, str] = {}
    known: dict[int, str] = {}
    for name, variable in {**local, **store.saved}.items():
        free = _plain(name)
        while free in nodes:
            free += "_"
        handles[name] = free
        nodes[free] = definition.node.add(name=free)
        _become(nodes[free], "VarHandleOp", dtype=variable.dtype, shape=variable.shape, shared_name=name)
        known.update((id(handle), free) for handle in handles_of(variable))
    moved: dict[str, str] = {}
    for outer, inner in traced.graph.captures:
        if id(outer) in known:
            moved[inner.op.name] = known[id(outer)]
        elif outer.dtype not in (tf.resource, tf.variant) and hasattr(outer, "numpy"):
            _become(nodes[inner.op.name], "Const", dtype=outer.dtype, value=outer.numpy())
    for node in definition.node:
        if "_class" in node.attr:
            # Which operation it stands beside: that may be one of those that go.
            del node.attr["_class"]
        for place, source in enumerate(node.input):
            name = source.lstrip("^").split(":")[0]
            if name in moved:
                node.input[place] = ("^" if source.startswith("^") else "") + moved[name]
    kept = [node for node in definition.node if node.name not in moved]
    del definition.node[:]
    definition.node.extend(kept)
    return {name: handles[name] for name in store.saved}


def _become(node: Any, kind: str, dtype: Any, shape: Any = None, **attributes: Any) -> None:
    node.op = kind
    node.attr.clear()
    node.attr["dtype"].type = dtype.as_datatype_enum
    if shape is not None:
        node.attr["shape"].shape.CopyFrom(tf.TensorShape(shape).as_proto())
    for name, value in attributes.items():
        if name == "value":
            node.attr[name].tensor.CopyFrom(tf.make_tensor_proto(value))
        else:
            node.attr[name].s = value.encode()


def _saver(store: VariableStore, handles: dict[str, Any], variables: dict[str, Any]) -> Any:
    """Makes initializers and the saver's operations in the default graph."""
    parts = slices.named(store.saved)
    reads = {}
    for name, variable in store.saved.items():
        dtype, shape = variable.dtype, variable.shape
        handle = handles[name]
        zero = tf.zeros(shape, dtype) if dtype != tf.string else tf.fill(shape, "")
        first = tf.raw_ops.AssignVariableOp(resource=handle, value=zero, name=f"{_plain(name)}/Assign")
        read = tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype, name=f"{_plain(name)}/Read")
        reads[name] = read
        variables[name] = _proto(name, handle, first, read, zero)
    names = [parts.get(name, (name, ""))[0] for name in handles]
    pieces = [parts.get(name, (name, ""))[1] for name in handles]
    filename = v1.placeholder_with_default("model", [], name="save/Const")
    saved = tf.raw_ops.SaveV2(
        prefix=filename, tensor_names=names, shape_and_slices=pieces, tensors=list(reads.values())
    )
    with tf.control_dependencies([saved]):
        done = tf.identity(filename, name="save/control_dependency")
    types = [variable.dtype for variable in store.saved.values()]
    values = tf.raw_ops.RestoreV2(prefix=filename, tensor_names=names, shape_and_slices=pieces, dtypes=types)
    restored = [
        tf.raw_ops.AssignVariableOp(resource=handle, value=value)
        for handle, value in zip(handles.values(), values, strict=True)
    ]
    restore = tf.group(*restored, name="save/restore_all")
    return v1.train.SaverDef(
        filename_tensor_name=filename.name,
        save_tensor_name=done.name,
        restore_op_name=restore.name,
        max_to_keep=5,
        version=v1.train.SaverDef.V2,
    )


def _proto(name: str, handle: Any, first: Any, read: Any, value: Any) -> Any:
    return VariableDef(
        variable_name=handle.name,
        initializer_name=first.name,
        snapshot_name=read.name,
        initial_value_name=value.name,
        is_resource=True,
        trainable=True,
    )


def _plain(name: str) -> str:
    """A name that operations may have."""
    return "".join(c if c.isalnum() or c in "_./-" else "_" for c in name).lstrip("_/-") or "variable"


def initial_locals(graph: tf.Graph, variables: Iterable[tuple[Any, Any]]) -> Any:
    """An operation of ``graph`` that sets the metrics' variables to where an evaluation begins."""
    with graph.as_default():
        operations = []
        for variable, initial in variables:
            name = variable.name.split(":")[0]
            shape, dtype = variable.shape, variable.dtype
            handle = tf.raw_ops.VarHandleOp(dtype=dtype, shape=shape, shared_name=name)
            value = tf.zeros(shape, dtype) if initial is None else tf.cast(initial, dtype)
            operations.append(tf.raw_ops.AssignVariableOp(resource=handle, value=value))
        return tf.group(*operations, name="init_local")
