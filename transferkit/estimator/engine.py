"""What lives as long as an Estimator: its variables, its traces, and where their values came from."""

from __future__ import annotations

import collections
import contextlib
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator import checkpoints
from transferkit.estimator.distribution import check_compilable, strategy_of
from transferkit.estimator.functions import GraphFunction, reader_of
from transferkit.estimator.hooks import GraphSession
from transferkit.estimator.stepping import Batches, GraphLoop
from transferkit.estimator.traced import Traced
from transferkit.estimator.tracing import trace
from transferkit.estimator.variables import VariableStore
from transferkit.estimator.warm_start import settings_of, warm_start
from transferkit.estimator.writing import CheckpointWriter
from transferkit.model_fn.spec import ModeKeys

__all__ = ["Engine"]

_log = logging.getLogger("transferkit")


class Engine:
    """Traces, variables and their source, shared by all calls of one Estimator.

    Attributes:
        store: the variables.
        trace_counts: mode -> how often a graph was made for it.
        live: whether the variables hold what training in this process made of them.
        source: the checkpoint whose values the variables hold or started from, or None.
    """

    def __init__(self, model_fn: Any, model_dir: str, params: Any, config: Any, start: Any = None) -> None:
        self.model_fn = model_fn
        self.model_dir = model_dir
        self.params = params
        self.config = config
        self.trace_counts: collections.Counter[str] = collections.Counter()
        self.live = False
        self.warm_start = settings_of(start)
        self.source: str | None = None
        self._said = False
        self._checked: set[str] = set()
        self._initialized = False
        self._kept: dict[Any, Any] = {}
        self._traces: dict[Any, Traced] = {}
        # A cluster's or a TPU's strategy has to be there before anything else of TensorFlow runs; and where
        # evaluation's does not fit, nothing has been trained yet.
        home, _ = self.strategy(ModeKeys.TRAIN), self.strategy(ModeKeys.EVAL)
        self.store = VariableStore(config.tf_random_seed, home)

    def traced(self, mode: str, signature: Any, strategy: Any = None) -> Traced:
        """The graph for ``mode`` and ``signature``, made on first asking, its variables filled."""
        key = _key(mode, signature, strategy)
        made = self._traces.get(key) or self._wider(key)
        if made is None:
            self.store.new.clear()
            made = trace(self.model_fn, mode, signature, self.store, self.params, self.config, strategy)
            self.trace_counts[mode] += 1
            self._traces[key] = made
            if self.store.new and self.source is not None:
                self._fill_new(list(self.store.new))
            self.store.new.clear()
        return made

    def strategy(self, mode: str) -> tf.distribute.Strategy | None:
        """The strategy of ``mode``; predictions and exports run on one device.

        Raises:
            ValueError: where evaluation names other devices than training.
        """
        if mode == ModeKeys.PREDICT:
            return None
        train = self._strategy("train_distribute")
        if mode == ModeKeys.TRAIN:
            return train
        own = self._strategy("eval_distribute")
        if own is None or train is None or own is train:
            return own
        # All modes share the weights, and these live in the training strategy.
        if own.extended.worker_devices == train.extended.worker_devices:
            return train
        if own.num_replicas_in_sync == 1:
            return None
        raise ValueError(
            fault(
                "RunConfig.eval_distribute",
                own.extended.worker_devices,
                f"the devices of train_distribute {train.extended.worker_devices}, one device, or None",
            )
        )

    def _strategy(self, name: str) -> tf.distribute.Strategy | None:
        given = getattr(self.config, name)

        def make() -> tf.distribute.Strategy | None:
            made = strategy_of(given, self.config)
            check_compilable(made, self.config)
            return made

        # One for both modes where both name the same.
        return self.once(("strategy", given), make)

    def _wider(self, key: Any) -> Traced | None:
        """A trace whose signature takes this one too: the same, with unknown lengths."""
        for (mode, structure, flat, strategy), made in self._traces.items():
            if (mode, structure, strategy) == (key[0], key[1], key[3]) and len(flat) == len(key[2]):
                pairs = zip(key[2], flat, strict=True)
                if all(one == wide or (one and wide and one.is_subtype_of(wide)) for one, wide in pairs):
                    return made
        return None

    def _fill_new(self, names: list[str]) -> None:
        assert self.source is not None  # noqa: S101 - the caller looked
        wanted = {name: self.store.saved[name] for name in names}
        if self.live:
            shapes = checkpoints.read(self.source).get_variable_to_shape_map()
            wanted = {name: v for name, v in wanted.items() if name in shapes}
        checkpoints.restore(self.source, wanted)

    def load_latest(self) -> str | None:
        """Fills the variables from the newest checkpoint, unless they are newer than it.

        Returns:
            The checkpoint the variables come from, or None where there is none.
        """
        if self.live:
            return self.source
        found = self.newest()
        if found is not None and found != self.source:
            self.load(found)
        return self.source

    @contextlib.contextmanager
    def weights_of(self, checkpoint_path: str | None) -> Iterator[None]:
        """Within it, the variables have the values of ``checkpoint_path``, or the newest where it is None."""
        if checkpoint_path is None or (checkpoint_path == self.source and not self.live):
            if self.load_latest() is None and not self.live and not self._said:
                self._said = True
                _log.info("No checkpoint in %s: the model's initial values are used", self.model_dir)
            yield
            return
        before = self.values()
        try:
            checkpoints.restore(checkpoint_path, self.store.saved)
            yield
        finally:
            for name, value in before.items():
                self.store.saved[name].assign(value)

    def load(self, prefix: str) -> None:
        """Fills the variables from ``prefix``."""
        checkpoints.restore(prefix, self.store.saved)
        self.source = prefix
        _log.info("Restored the variables from %s", prefix)

    def values(self) -> dict[str, Any]:
        """Checkpoint name -> present value of each saved variable, read in one call."""
        names = tuple(self.store.saved)
        read: GraphFunction = self.once(("read", names), lambda: reader_of(self.store.saved.values()))
        return dict(zip(names, read(), strict=True))

    def save(self, folder: str | None = None) -> str:
        """Writes a checkpoint of the present values into ``folder``, or the model_dir where it is None."""
        folder = folder or self.model_dir
        config = self.config
        hours = config.keep_checkpoint_every_n_hours
        writer: CheckpointWriter = self.once(
            ("writer", folder), lambda: CheckpointWriter(folder, config.keep_checkpoint_max, hours)
        )
        values = self.values()
        prefix = writer.save(int(values["global_step"]), values, self.frozen())
        if folder == self.model_dir:
            self.source = prefix
            self._checked.add(prefix)
        return prefix

    def frozen(self) -> frozenset[str]:
        """Names of the saved variables that no training graph writes."""
        written: set[str] = set()
        for made in self._traces.values():
            if made.mode == ModeKeys.TRAIN:
                written |= self.once(("written", id(made)), partial(self._written_by, made))
        return frozenset(self.store.saved) - written

    def _written_by(self, traced: Traced) -> set[str]:
        return self.store.names_in(traced.written())

    def newest(self) -> str | None:
        """The checkpoint the variables come from, or would be filled from: the newest that is whole."""
        return self.source if self.live else checkpoints.newest_whole(self.model_dir, self._checked)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What ``make`` gave for ``key``, made on first asking."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def loop(self, traced: Traced, batches: Batches) -> GraphLoop:
        """The function that runs several steps of ``traced`` inside the graph."""
        key = ("loop", id(traced), repr(batches.iterator.element_spec), batches.replicas)
        made: GraphLoop = self.once(key, lambda: GraphLoop(traced, batches.replicas, self.config.jit_compile))
        return made

    def begin(self, traced: Traced, untrained: bool = False) -> None:
        """What each call begins with: its tables filled, the scaffold's local_init_op run.

        Args:
            traced: the graph that is to run.
            untrained: whether a model without a checkpoint gets the graph's first values too.

        Raises:
            ValueError: for a scaffold's saver, which has no meaning here.
        """
        scaffold = traced.spec.scaffold
        if scaffold._saver is not None:
            raise ValueError(
                fault("scaffold.saver", None, None, "checkpoints hold all variables; leave the saver out")
            )
        session = GraphSession(traced)
        tables: list[Any] = traced.graph.get_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS)
        if tables and ("tables", id(traced)) not in self._kept:
            self._kept["tables", id(traced)] = session.run(tables)
        if untrained and not self.live and self.source is None:
            self._first_values(traced, session)
        if scaffold._local_init_op is not None:
            session.run(scaffold._local_init_op)

    def initialize(self, traced: Traced) -> None:
        """What a fresh model begins with besides its initial values: done once, without a checkpoint."""
        if self.live or self.source is not None or self._initialized:
            return
        self._initialized = True
        self._first_values(traced, GraphSession(traced))
        if self.warm_start is not None:
            collection = traced.graph.get_collection(tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES)
            trainable = [name for name in map(self.store.name_of, collection) if name is not None]
            names = warm_start(self.warm_start, self.store.saved, trainable)
            _log.info(
                "Warm-started %d variables from %s", len(names), self.warm_start.ckpt_to_initialize_from
            )

    def _first_values(self, traced: Traced, session: GraphSession) -> None:
        """What model_fn says of the values of a model that has no checkpoint yet."""
        operations = [getattr(variable, "_initializer_op", None) for variable in self.store.saved.values()]
        # Set by tf.compat.v1.train.init_from_checkpoint.
        session.run([op for op in operations if isinstance(op, tf.Operation) and op.graph is traced.graph])
        scaffold = traced.spec.scaffold
        if scaffold._init_op is not None:
            with traced.graph.without_building():
                session.run(scaffold._init_op, scaffold._init_feed_dict)
        if scaffold._init_fn is not None:
            with traced.graph.without_building():
                scaffold._init_fn(session)

    def step(self) -> int:
        """The global step as the variables have it, or as the latest checkpoint's name says."""
        variable = self.store.saved.get("global_step")
        if variable is not None and (self.live or self.source is not None):
            one = variable.values[0] if hasattr(variable, "_values") else variable
            # The operation itself: what ``numpy`` does around it takes ten times as long, thrice a call.
            return int(tf.raw_ops.ReadVariableOp(resource=one.handle, dtype=one.dtype))
        found = self.newest()
        if found is not None:
            reader = checkpoints.read(found)
            return int(reader.get_tensor("global_step")) if reader.has_tensor("global_step") else 0
        return 0


def _key(mode: str, signature: Any, strategy: Any) -> Any:
    flat = tuple(tf.nest.flatten(signature, expand_composites=True))
    structure = repr(tf.nest.map_structure(lambda spec: 0, signature))
    return mode, structure, flat, id(strategy) if strategy is not None and mode != ModeKeys.PREDICT else None
