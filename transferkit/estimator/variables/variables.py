"""The variables of an Estimator: made once, found by name from every trace, listed for checkpoints.

A TensorFlow-1 model_fn makes its variables anew in each mode and expects to meet the same weights; so a
variable is known by the name its graph gives it, and the second trace gets the first one's variable. A Keras
variable is known by its path. Variables made outside model_fn and captured by it need no help to be shared;
they are found in the graph's captures, so that checkpoints hold them too.

Weights live in the training strategy, whichever mode is traced first: it alone can train them, and every
other mode can read them. A metric's variables are each strategy's own, as they are written there.
"""

from __future__ import annotations

import contextlib
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from transferkit.estimator.graph.functions import GraphFunction
from transferkit.estimator.graph.graph import TracedGraph
from transferkit.estimator.graph.graph_style import name_operation
from transferkit.estimator.live_objects import live_instances
from transferkit.estimator.variables.storage import container_of, handles_of, keras_owner, ordering_tokens
from transferkit.keras_import import keras
from transferkit.private.tensorflow_names import ResourceVariable
from transferkit.type_names import Tensor, Variable

__all__ = ["VariableStore", "is_local"]

v1 = tf.compat.v1
_KEYS = v1.GraphKeys
# Of what variable creators are told, what every variable takes.
_GIVEN = {"initial_value", "trainable", "name", "dtype", "shape"}
_GIVEN |= {"constraint", "synchronization", "aggregation"}


def is_local(variable: Variable, store: VariableStore) -> bool:
    """Whether ``variable`` is a metric's: reset by each evaluation and never saved."""
    return id(variable) in store.local


class VariableStore:
    """Variables by name, over all traces of one Estimator.

    Args:
        seed: of initial values; None draws them anew.
        home: the distribution strategy that trains, or None.

    Attributes:
        saved: checkpoint name -> variable, of all that checkpoints hold, in the order they were met.
        local: id -> (variable, initial value) of those that each evaluation resets.
        initial: checkpoint name -> a value to begin with instead of the variable's own (warm start).
    """

    def __init__(self, seed: int | None, home: tf.distribute.Strategy | None = None) -> None:
        self.saved: dict[str, Any] = {}
        self.local: dict[int, tuple[Any, Any]] = {}
        self._home = home
        self._made: dict[Any, Any] = {}
        self._names: dict[int, str] = {}
        self._promised: dict[int, str] = {}
        self._keras: dict[int, Any] = {}
        self._living: dict[int, Any] | None = None
        self._seed = seed
        self._kept: list[Any] = []
        self._lock = threading.RLock()
        self._creating = False
        self._reset: tuple[tuple[int, ...], GraphFunction] | None = None
        self.new: list[str] = []

    def name_of(self, variable: Variable) -> str | None:
        """The name of a variable, or None for one that is not kept here."""
        return self._names.get(id(container_of(variable)))

    def keras_variable(self, variable: Variable) -> Any:
        """The Keras variable that holds it, or None where none does."""
        return self._keras.get(id(container_of(variable)))

    def scope(self, graph: TracedGraph) -> Any:
        """A variable creator scope for tracing ``graph``."""
        taken: set[str] = set()

        def create(next_creator: Any, **kwargs: Any) -> Any:
            with self._lock:
                if self._creating:
                    return next_creator(**kwargs)
                self._creating = True
                try:
                    return self._create(graph, taken, next_creator, **kwargs)
                finally:
                    self._creating = False

        return create

    def _create(self, graph: TracedGraph, taken: Any, next_creator: Any, **kwargs: Any) -> Any:
        owner, of_metric = keras_owner()
        if owner is not None:
            name = _free(_scoped(graph, owner.path).rstrip("/"), taken)
        else:
            with tf.name_scope(kwargs.get("name") or "Variable") as scope:
                name = scope.rstrip("/")
            if tf.executing_eagerly():
                # Lifted out of the graph, as the older Keras does it: scopes are kept, but not numbered.
                name = _free(_below(graph, name), taken)
            taken.add(name)
        collections_given = kwargs.get("collections")
        local = of_metric or bool(collections_given and _KEYS.LOCAL_VARIABLES in collections_given)
        here = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None
        key = (name, id(here)) if local else name
        variable = self._made.get(key)
        first = kwargs.get("initial_value")
        if variable is None:
            kwargs["initial_value"] = self._value(name, kwargs.get("initial_value"))
            kwargs.pop("use_resource", None)
            make = next_creator if local or here is self._home else self._at_home
            with tf.init_scope(), v1.name_scope(None):
                variable = make(**{**kwargs, "name": name})
            if owner is None:
                name_operation(variable)
            self._made[key] = variable
            if owner is not None:
                self._keras[id(variable)] = owner
            if local:
                self.local[id(variable)] = (variable, kwargs["initial_value"])
            else:
                self._enter(name, variable)
        elif kwargs.get("shape") is not None or kwargs.get("initial_value") is not None:
            _check_shape(name, variable, kwargs)
        graph.first_values.setdefault(id(variable), first)
        if id(variable) in self._names:
            graph.operation_names[id(variable)] = self._names[id(variable)]
        if owner is not None:
            self._keras[id(variable)] = owner
            self._kept.append(owner)
        keys = kwargs.get("collections") or [_KEYS.GLOBAL_VARIABLES]
        self._collect(graph, variable, list(keys))
        return variable

    def _at_home(self, **kwargs: Any) -> Any:
        """A variable of the training strategy, made where another mode is traced."""
        given = {name: value for name, value in kwargs.items() if name in _GIVEN}
        if self._home is None:
            # By its class: tf.Variable would be asked for from the strategy that is traced.
            return ResourceVariable(**given)
        with self._home.scope():
            return tf.Variable(**given)

    def _promise(self, name: str, variable: Variable) -> str:
        """The name that checkpoints have for ``variable``: ``name``, numbered where another goes by it."""
        unique, number = name, 0
        while unique in self.saved or unique in self._promised.values():
            number += 1
            unique = f"{name}_{number}"
        self._promised[id(variable)] = unique
        return unique

    def _enter(self, name: str, variable: Variable) -> None:
        unique = self._promised.get(id(variable)) or self._promise(name, variable)
        del self._promised[id(variable)]
        self.saved[unique] = variable
        self._names[id(variable)] = unique
        self.new.append(unique)

    def _collect(self, graph: TracedGraph, variable: Variable, keys: list[str]) -> None:
        owner = self._keras.get(id(variable))
        if variable.trainable if owner is None else owner.trainable and variable.trainable:
            keys.append(_KEYS.TRAINABLE_VARIABLES)
        for key in dict.fromkeys(keys):
            if not any(v is variable for v in graph.get_collection_ref(key)):
                graph.add_to_collection(key, variable)

    def drawn(self, name: str, make: Callable[[], Any]) -> Any:
        """The array that the tensor of ``make()`` holds, drawn by the seed and ``name``.

        The graph is one of its own: the value does not depend on what else was made.
        """
        with tf.init_scope():
            own = TracedGraph("initial_value")
            # Where none is given, that of the process does not count: "None" means chance.
            own.seed = None
            if self._seed is not None:
                own.seed = (self._seed * 2654435761 + zlib.crc32(name.encode())) % (2**31 - 1)
            with own.as_default():
                tensor = tf.convert_to_tensor(make())
        return self._run(own, tensor)

    def _value(self, name: str, value: Any) -> Any:
        """The initial value as a constant: what depends on the graph is computed, with the graph's seeds."""
        if callable(value):
            return self.drawn(name, value)
        if tf.is_tensor(value) and not hasattr(value, "numpy"):
            folded = tf.get_static_value(value)
            return folded if folded is not None else self._run(value.graph, value)
        return value

    @staticmethod
    def _run(graph: TracedGraph, tensor: Tensor) -> Any:
        with tf.init_scope():
            return GraphFunction(graph, [], [tensor])()[0].numpy()

    @contextlib.contextmanager
    def finding_owners(self) -> Iterator[None]:
        """Within it, the Keras variables of captured variables are looked up at most once for a trace."""
        self._living = None
        try:
            yield
        finally:
            # Of what lives in the process only what a graph captured may be held.
            self._living = None

    def _owner(self, variable: Variable) -> Any:
        """The Keras variable of one that was made outside, or None: the way back is known to Keras alone."""
        owner = self._keras.get(id(variable))
        if owner is None:
            if self._living is None:
                held = ((getattr(thing, "_value", None), thing) for thing in live_instances(keras.Variable))
                self._living = {id(value): thing for value, thing in held if isinstance(value, tf.Variable)}
            owner = self._living.get(id(variable))
            if owner is not None:
                self._keras[id(variable)] = owner
        return owner

    def watched(self, graph: TracedGraph, variable: Variable) -> None:
        """Puts a captured variable into the graph's collections, where TensorFlow-1 optimizers look."""
        if self._creating:
            # A copy that is being made: what it belongs to is not known yet.
            return
        variable = container_of(variable)
        with self._lock:
            if id(variable) in self.local or id(variable) in graph.first_values:
                return
            if id(variable) not in self._names:
                name_operation(variable)
            name = self._names.get(id(variable)) or self._promised.get(id(variable))
            # An optimizer finds its slots by it: two variables made outside may have one name.
            graph.operation_names[id(variable)] = name or self._promise(self._own_name(variable), variable)
            self._collect(graph, variable, [_KEYS.GLOBAL_VARIABLES])

    def _own_name(self, variable: Variable) -> str:
        """How Keras, or else TensorFlow, calls a variable that was made outside."""
        owner = self._owner(variable)
        name = owner.path if owner is not None else variable.name.split(":")[0]
        # Keras numbers seed generators over the whole process: here the order of use numbers them.
        return re.sub(r"^seed_generator_\d+/", "seed_generator/", name)

    def enter_captured(self, graph: TracedGraph, local: list[Any]) -> None:
        """Lists the variables that ``graph`` captured from outside, once it is traced.

        Args:
            graph: the traced graph.
            local: the variables of Keras metrics.
        """
        for variable in local:
            if id(variable) not in self.local:
                self.local[id(variable)] = (variable, None)
                self._promised.pop(id(variable), None)
                name = self._names.pop(id(variable), None)
                if name is not None:
                    del self.saved[name]
                    self.new.remove(name) if name in self.new else None
        handles = {id(outer): outer for outer, _ in graph.captures if outer.dtype == tf.resource}
        known = {id(h) for v in self.saved.values() for h in handles_of(v)}
        known |= {id(h) for v, _ in self.local.values() for h in handles_of(v)}
        missing = {key for key in handles if key not in known}
        if not missing:
            return
        found = {}
        for thing in live_instances(tf.Variable):
            for handle in handles_of(thing):
                if id(handle) in missing:
                    found[id(handle)] = container_of(thing)
        self._living = None
        tokens = ordering_tokens()
        for key in handles:
            variable = found.get(key)
            if variable is None or key in tokens or id(variable) in self._names:
                continue
            self._enter(self._own_name(variable), variable)

    def names_in(self, handles: list[Any]) -> set[str]:
        """Checkpoint names of the variables whose resources are among ``handles``."""
        wanted = {id(handle) for handle in handles}
        return {name for name, v in self.saved.items() if any(id(h) in wanted for h in handles_of(v))}

    def reset_local(self) -> None:
        """Sets the variables of metrics back to where an evaluation begins."""
        several = [pair for pair in self.local.values() if getattr(pair[0], "_values", None)]
        for variable, initial in several:
            variable.assign(_beginning(variable, initial))
        known = tuple(self.local)
        if self._reset is None or self._reset[0] != known:
            # Those of one device in one call.
            with tf.init_scope():
                graph = TracedGraph("reset_metrics")
                with graph.as_default():
                    single = [pair for pair in self.local.values() if not getattr(pair[0], "_values", None)]
                    assigned = [variable.assign(_beginning(variable, first)).op for variable, first in single]
                self._reset = known, GraphFunction(graph, [], [], assigned)
        self._reset[1]()


def _beginning(variable: Variable, initial: Any) -> Any:
    return tf.zeros_like(variable) if initial is None else initial


def _scoped(graph: TracedGraph, path: str) -> str:
    """The path of a Keras variable below the name scopes around its layer, which Keras leaves out."""
    layer, _, _ = path.rpartition("/")
    scope = graph.get_name_scope()
    return scope[: len(scope) - len(layer)] + path if layer and f"/{scope}".endswith(f"/{layer}") else path


def _below(graph: TracedGraph, name: str) -> str:
    """``name`` below the scope of ``graph``, also where the older Keras builds in a graph of its own."""
    scope = graph.get_name_scope()
    return name if not scope or name.startswith(f"{scope}/") else f"{scope}/{name}"


def _free(name: str, taken: set[str]) -> str:
    """``name``, numbered where this trace has made one of that name already."""
    free, number = name, 0
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free


def _check_shape(name: str, variable: Variable, kwargs: dict[str, Any]) -> None:
    value = kwargs.get("initial_value")
    shape = kwargs.get("shape")
    if shape is None and not callable(value):
        shape = getattr(value, "shape", None)
    if shape is not None and not variable.shape.is_compatible_with(tf.TensorShape(shape)):
        raise ValueError(
            f"variable {name!r}: received shape {tf.TensorShape(shape)}, expected {variable.shape} "
            "as in the mode that was traced before"
        )
