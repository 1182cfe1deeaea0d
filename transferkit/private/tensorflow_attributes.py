"""What transferkit reads, and now and then sets, of TensorFlow's objects by attributes that are not public.

Each function says why there is no public way, and since which TensorFlow it is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from transferkit.private.tensorflow_names import eager_context
from transferkit.type_names import Optimizer, Variable

__all__ = [
    "SaverHook",
    "add_control_inputs",
    "container_handle",
    "first_value_operation",
    "flat_elements",
    "folder_of_hook",
    "forget_graph",
    "function_in",
    "functions_of",
    "global_seed",
    "handle_of",
    "inputs_of",
    "is_v2_column",
    "iterator_makers",
    "iterator_resource",
    "keep_dataset",
    "kept_by_saver",
    "losses_scaled",
    "module_inside",
    "note_loss_reduction",
    "number_of_worker",
    "options_text",
    "ordering_token",
    "remove_control_inputs",
    "replace_input",
    "replicas_awaited",
    "resource_handle",
    "saver_hook",
    "slice_of",
    "variant_of",
    "workers_of",
    "wrapped_optimizer",
]


_LAUNCHER = "CollectiveReplicaLauncher"


class SaverHook(NamedTuple):
    """What a ``CheckpointSaverHook`` was made with."""

    every_steps: int | None
    every_secs: float | None
    listeners: Sequence[Any]
    folder: str


def saver_hook(hook: tf.compat.v1.train.CheckpointSaverHook) -> SaverHook:
    """How often a hook saves, where, and who is told. It has no public attributes; since 1.0."""
    timer = hook._timer
    return SaverHook(timer._every_steps, timer._every_secs, hook._listeners or (), hook._checkpoint_dir)


def kept_by_saver(saver: tf.compat.v1.train.Saver) -> tuple[int | None, float]:
    """How many checkpoints a saver keeps, and the hours between two that it keeps for good.

    The public ``saver_def`` is there only once the saver is built; since 1.0.
    """
    return saver._max_to_keep, saver._keep_checkpoint_every_n_hours


def workers_of(strategy: tf.distribute.Strategy) -> int:
    """How many processes a strategy spans; the cluster resolver may know of others. Since 1.14."""
    return getattr(strategy.extended, "_num_workers", 1) or 1


def number_of_worker(strategy: tf.distribute.Strategy) -> int:
    """Which of a strategy's processes this one is, counted over chief and workers; since 1.14."""
    return getattr(strategy.extended, "_id_in_cluster", 0) or 0


def losses_scaled(strategy: tf.distribute.Strategy) -> Any:
    """A context in which TensorFlow 1's optimizers average over replicas, as in tf.estimator; since 1.14."""
    return strategy._scale_loss_for_estimator_enabled()


def note_loss_reduction(reduction: str) -> None:
    """Tells the graph how its loss was reduced, as TensorFlow's losses do; since 1.13.

    ``tf.compat.v1.train`` optimizers divide a loss that was not summed by the number of replicas.
    """
    tf.compat.v1.get_default_graph()._last_loss_reduction = reduction


def add_control_inputs(operation: tf.Operation, before: Sequence[tf.Operation]) -> None:
    """Makes an operation wait for others; ``tf.control_dependencies`` is for new ones; since 1.0."""
    operation._add_control_inputs(list(before))


def remove_control_inputs(operation: tf.Operation) -> None:
    """Takes away all that an operation waits for; since 1.0."""
    operation._remove_all_control_inputs()


def replace_input(operation: tf.Operation, index: int, tensor: tf.Tensor) -> None:
    """Gives an operation that exists another input; the graph editor went with TensorFlow 1. Since 1.0.

    Args:
        operation: whose input it is.
        index: which input, from 0.
        tensor: of the same type.
    """
    operation._update_input(index, tensor)


def function_in(graph: tf.Graph, name: str) -> Any:
    """A function of a graph's library by name, or None; ``as_graph_def`` copies the graph; since 1.0."""
    return graph._get_function(name)


def first_value_operation(variable: Variable) -> Any:
    """The operation that gives a variable its first value, as ``init_from_checkpoint`` may have set it; None
    for one that was made eagerly, of which the public ``initializer`` raises. Since 1.0."""
    return getattr(variable, "_initializer_op", None)


def slice_of(variable: Variable) -> Any:
    """Which part of a whole a partitioned variable is, or None; since 1.0."""
    return getattr(variable, "_save_slice_info", None)


def handle_of(variable: Variable) -> Any:
    """The resource of a variable, None for what has none; the public ``handle`` of a variable of several
    copies raises outside of a replica. Since 1.4."""
    return getattr(variable, "_handle", None)


def container_handle(variable: Variable) -> Any:
    """The variable of several copies that ``variable`` is one of, or None; since 2.0.

    A plain copy carries the way to its container on its handle.
    """
    find = getattr(variable, "_distributed_container", None)
    if find is None:
        find = getattr(handle_of(variable), "_distributed_container", None)
    return find() if callable(find) else None


def resource_handle(resource: Any) -> Any:
    """The handle of a table or another resource, without making one that was not made yet; since 2.2."""
    return getattr(resource, "_resource_handle_value", None)


def wrapped_optimizer(optimizer: Optimizer) -> Any:
    """The optimizer inside ``SyncReplicasOptimizer`` or ``CrossShardOptimizer``; since 1.0."""
    return optimizer._opt


def module_inside(module: Any) -> Any:
    """The module that a module of ``tf.compat.v1`` stands for, as it warns of what is old; since 1.14."""
    return getattr(module, "_tfmw_wrapped_module", module)


def is_v2_column(column: Any) -> bool:
    """Whether a feature column is of today's kind and not of TensorFlow 1's first; since 1.9."""
    return bool(column._is_v2_column)


def replicas_awaited(optimizer: tf.compat.v1.train.SyncReplicasOptimizer) -> int:
    """How many replicas ``SyncReplicasOptimizer`` was made to keep in step; since 1.0."""
    result: int = max(optimizer._replicas_to_aggregate, optimizer._total_num_replicas)
    return result


def folder_of_hook(hook: Any) -> Any:
    """The folder that one of TensorFlow's summary hooks writes to, None for other hooks; since 1.0."""
    return getattr(hook, "_output_dir", None)


def forget_graph(function: Any) -> None:
    """Lets a function of a graph be told by its definition, while its graph goes on changing; since 2.13."""
    function._cached_graph = None


def ordering_token(thing: Any) -> Any:
    """The variable by which tf.distribute orders its collective operations, of what launches them; None for
    anything else. Its class has no public name; since 2.4."""
    return getattr(thing, "_ordering_token", None) if type(thing).__name__ == _LAUNCHER else None


@contextlib.contextmanager
def global_seed(seed: int, generator: Any) -> Iterator[None]:
    """Sets the global seed, and the generator of operations' seeds, for a while; since 2.0.

    The public ``tf.random.set_seed`` would besides throw away every compiled kernel, the training step's too.
    """
    here = eager_context()
    before = here._seed, getattr(here, "_rng", None)
    here._seed, here._rng = seed, generator
    try:
        yield
    finally:
        here._seed, here._rng = before


def tell_watched(graph: Any, tell: Callable[[Any], None]) -> None:
    """Tells of each variable that is read while a function graph is made, in its branches and loops too.

    The method ``watch_variable`` is not called of the graph around a branch. Since 2.1.

    Args:
        graph: the function graph.
        tell: is given the variable, perhaps again.
    """
    kind = type(graph._watched_variables)

    def add(self: Any, variable: Any) -> None:
        kind.add(self, variable)
        tell(variable)

    graph._watched_variables = type("ToldVariables", (kind,), {"add": add})()


def flat_elements(dataset: tf.data.Dataset) -> tuple[list[Any], list[Any]]:
    """Types and shapes of a dataset's elements as its operations take them; since 1.13.

    From the public ``element_spec`` they differ where an element is a ragged or an optional one.
    """
    return dataset._flat_types, dataset._flat_shapes


def variant_of(dataset: tf.data.Dataset) -> tf.Tensor:
    """A dataset's tensor; the public ``tf.data.experimental.to_variant`` copies it. Since 1.13."""
    return dataset._variant_tensor


def inputs_of(dataset: tf.data.Dataset) -> list[tf.data.Dataset]:
    """The datasets that a dataset is made of; since 1.13."""
    return list(dataset._inputs())


def functions_of(dataset: tf.data.Dataset) -> list[Any]:
    """The functions that a dataset calls; since 1.13."""
    return list(dataset._functions())


def cache_file_of(dataset: tf.data.Dataset) -> str | None:
    """The file of what ``Dataset.cache`` makes, "" in memory, None where that is not known; since 1.13."""
    name = tf.get_static_value(dataset._filename)
    return None if name is None else name.decode()


def options_text(options: tf.data.Options) -> bytes:
    """Options as ``OptionsDataset`` takes them; since 2.7."""
    result: bytes = options._to_proto().SerializeToString()
    return result


def keep_dataset(iterator: Any, dataset: tf.data.Dataset) -> None:
    """Lets a dataset live as long as its iterator, as TensorFlow's own iterators do; since 2.0."""
    iterator._dataset = dataset


def iterator_resource(iterator: Any) -> tf.Tensor:
    """The resource of an eager iterator; since 2.0."""
    return iterator._iterator_resource


@contextlib.contextmanager
def iterator_makers(replacement: Callable[..., Any]) -> Iterator[None]:
    """Within it, ``replacement`` stands for the methods that make iterators of TensorFlow 1; since 1.13.

    All public ways, functions and methods, come down to these two.
    """
    kind: Any = tf.compat.v1.data.Dataset
    names = "_make_one_shot_iterator", "_make_initializable_iterator"
    before = {name: getattr(kind, name) for name in names}
    for name in names:
        setattr(kind, name, replacement)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(kind, name, method)
