"""What lives as long as an Estimator: its variables, its traces, and where their values came from."""

from __future__ import annotations

import collections
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.checkpoints import checkpoint_files
from transferkit.estimator.checkpoints.checkpoint_writer import CheckpointWriter
from transferkit.estimator.checkpoints.graph_files import GraphFiles
from transferkit.estimator.checkpoints.warm_start import settings_of, warm_start
from transferkit.estimator.distribution import check_compilable, strategy_of
from transferkit.estimator.graph.functions import GraphFunction, reader_of
from transferkit.estimator.graph.mode_graph import Traced
from transferkit.estimator.graph.tracing import trace
from transferkit.estimator.loops.stepping import Batches, GraphLoop
from transferkit.estimator.session.scaffold import first_values, make_ready, restore_by
from transferkit.estimator.session.session import GraphSession
from transferkit.estimator.session.training_log import progress
from transferkit.estimator.spec import ModeKeys
from transferkit.estimator.summaries import SummaryLog
from transferkit.estimator.variables import slices
from transferkit.estimator.variables.variables import VariableStore

__all__ = ["Engine"]


class Engine:
    """Traces, variables and their source, shared by all calls of one Estimator.

    Attributes:
        store: the variables.
        trace_counts: mode -> how often a graph was made for it.
        live: whether the variables hold what training in this process made of them.
        source: the checkpoint whose values the variables hold or started from, or None.
        keep: how many checkpoints stay and the hours between those kept for good, as a scaffold's saver says.
        failed: whether the last training ended by a fault, so that the next one's data begin anew.
        training: the graph that is trained; None before the first training.
        ready: whether the model came with weights worth exporting, as a Keras model's.
    """

    def __init__(self, model_fn: Any, model_dir: str, params: Any, config: Any, start: Any = None) -> None:
        self.model_fn = model_fn
        self.model_dir = model_dir
        self.params = params
        self.config = config
        self.trace_counts: collections.Counter[str] = collections.Counter()
        self.summary_log: Callable[[str, bool], SummaryLog] = SummaryLog
        self.live = self.ready = False
        self.warm_start = settings_of(start)
        self.source: str | None = None
        # Draws of this process where no seed is given: "None" means chance.
        self.chance = int.from_bytes(os.urandom(6), "little")
        self.failed = False
        self.training: Traced | None = None
        self.keep: tuple[int | None, float] | None = None
        self._state: Any = None
        self._said = False
        self._in_memory = False
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
            progress.info("Calling model_fn.")
            made = trace(self.model_fn, mode, signature, self.store, self.params, self.config, strategy)
            progress.info("Done calling model_fn.")
            self.trace_counts[mode] += 1
            self._traces[key] = made
            if self.store.new and self.source is not None:
                self._fill_new(list(self.store.new), made.spec.scaffold.saver is not None)
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

    def forget_traces(self, mode: str) -> None:
        """Lets go of the graphs of ``mode``: model_fn is called anew for it."""
        self._traces = {key: made for key, made in self._traces.items() if made.mode != mode}

    def _wider(self, key: Any) -> Traced | None:
        """A trace whose signature takes this one too: the same, with unknown lengths."""
        for (mode, structure, flat, strategy), made in self._traces.items():
            if (mode, structure, strategy) == (key[0], key[1], key[3]) and len(flat) == len(key[2]):
                pairs = zip(key[2], flat, strict=True)
                if all(one == wide or (one and wide and one.is_subtype_of(wide)) for one, wide in pairs):
                    return made
        return None

    def _fill_new(self, names: list[str], some: bool) -> None:
        assert self.source is not None  # noqa: S101 - the caller looked
        wanted = {name: self.store.saved[name] for name in names}
        # A scaffold's own saver says what of the model a checkpoint has to hold.
        if self.live or some:
            shapes = checkpoint_files.read(self.source).get_variable_to_shape_map()
            wanted = {name: v for name, v in wanted.items() if slices.full_name(name, v) in shapes}
        checkpoint_files.restore(self.source, wanted)

    def load_latest(self) -> str | None:
        """Fills the variables from the newest checkpoint, unless they are newer than it.

        Returns:
            The checkpoint the variables come from, or None where there is none.
        """
        self.look_again()
        if self.live:
            return self.source
        found = self.newest()
        if found is not None and found != self.source:
            self.load(found)
        return self.source

    def look_again(self) -> None:
        """Lets go of the present values where another has written a newer checkpoint into the folder.

        Two Estimators, or two processes, may take turns on one model_dir: each begins where the other ended,
        as in a session. The state file alone is looked at, which every checkpoint replaces.
        """
        state = checkpoint_files.signature(self.model_dir)
        if state == self._state:
            return
        self._state = state
        # Other workers hold the chief's values, and do not write: theirs stay.
        if self.live and self.config.is_chief and self._newer():
            self.live = False

    def _newer(self) -> bool:
        return checkpoint_files.latest(self.model_dir) not in (None, self.source)

    def forget(self, before: Mapping[str, Any] | None, anew: bool) -> None:
        """Lets go of the values of a training that failed: what follows starts from the newest checkpoint.

        Args:
            before: the values to go back to where no checkpoint is written.
            anew: whether the next call's data begin at their beginning.
        """
        self.live, self.source, self.failed = False, None, anew
        if before is not None:
            self.assign(before)
            self.live = True

    def assign(self, values: Mapping[str, Any]) -> None:
        """Sets saved variables to ``values``, by their names in checkpoints."""
        for name, value in values.items():
            self.store.saved[name].assign(value)

    @contextlib.contextmanager
    def in_memory(self) -> Iterator[None]:
        """Within it, evaluations take the weights as they are, and refuse scaffolds that bring others."""
        self._in_memory = True
        try:
            yield
        finally:
            self._in_memory = False

    @contextlib.contextmanager
    def weights_of(self, checkpoint_path: str | None, traced: Traced) -> Iterator[None]:
        """Within it, the variables have the values of ``checkpoint_path``, or the newest where it is None.

        A scaffold's saver decides which of the checkpoint's values go where (moving averages in place of
        weights, say); afterwards the variables hold what they held before.
        """
        saver = traced.spec.scaffold.saver
        if self._in_memory and (saver is not None or traced.spec.scaffold.init_fn is not None):
            raise ValueError("InMemoryEvaluator does not support custom saver or init_fn")
        named = checkpoint_path is not None and not (checkpoint_path == self.source and not self.live)
        if not named:
            if self.load_latest() is None and not self.live and not self._said:
                self._said = True
                progress.info("Could not find trained model in model_dir: %s.", self.model_dir)
            if saver is None or self.source is None:
                yield
                return
        prefix = checkpoint_path or str(self.source)
        before = self.values()
        try:
            if saver is None:
                checkpoint_files.restore(prefix, self.store.saved)
            else:
                restore_by(traced, prefix)
            yield
        finally:
            self.assign(before)

    def load(self, prefix: str) -> None:
        """Fills the variables from ``prefix``."""
        checkpoint_files.restore(prefix, self.store.saved)
        self.source = prefix
        progress.info("Restoring parameters from %s", prefix)

    def values(self) -> dict[str, Any]:
        """Checkpoint name -> present value of each saved variable, read in one call."""
        names = tuple(self.store.saved)
        read: GraphFunction = self.once(("read", names), lambda: reader_of(self.store.saved.values()))
        return dict(zip(names, read(), strict=True))

    def save(self, folder: str | None = None) -> str:
        """Writes a checkpoint of the present values into ``folder``, or the model_dir where it is None."""
        folder = folder or self.model_dir
        keep = self.keep or (self.config.keep_checkpoint_max, self.config.keep_checkpoint_every_n_hours)
        writer: CheckpointWriter = self.once(
            ("writer", folder, keep), lambda: CheckpointWriter(folder, *keep)
        )
        values = self.values()
        progress.info(
            "Saving checkpoints for %d into %s.",
            int(values["global_step"]),
            os.path.join(folder, checkpoint_files.NAME),
        )
        parts = slices.named(self.store.saved)
        prefix = writer.save(int(values["global_step"]), values, self.frozen() - set(parts), parts)
        if folder == self.model_dir:
            if self.training is not None and self.config.checkpoint_save_graph_def:
                self._graph_files(self.training).beside(prefix)
            self.source = prefix
            self._checked.add(prefix)
            self._state = checkpoint_files.signature(self.model_dir)
        return prefix

    def _graph_files(self, traced: Traced) -> GraphFiles:
        made: GraphFiles = self.once(
            ("graph", id(traced)), lambda: GraphFiles(traced, self.store, self.model_dir)
        )
        return made

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
        return self.source if self.live else checkpoint_files.newest_whole(self.model_dir, self._checked)

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
        """What each call begins with: its tables filled, the scaffold's operations run.

        Args:
            traced: the graph that is to run.
            untrained: whether a model without a checkpoint gets the graph's first values too.

        Raises:
            RuntimeError: where the scaffold's ``ready_op`` names variables that are not ready.
        """
        session = GraphSession(traced)
        tables: list[Any] = traced.graph.get_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS)
        if tables and ("tables", id(traced)) not in self._kept:
            self._kept["tables", id(traced)] = session.run(tables)
        if untrained and not self.live and self.source is None:
            first_values(traced, session, self.store)
        make_ready(traced.spec.scaffold, session)

    def initialize(self, traced: Traced) -> None:
        """What a fresh model begins with besides its initial values: done once, without a checkpoint."""
        if self.live or self.source is not None or self._initialized:
            return
        first_values(traced, GraphSession(traced), self.store)
        if self.warm_start is not None:
            collection = traced.graph.get_collection(tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES)
            trainable = [name for name in map(self.store.name_of, collection) if name is not None]
            names = warm_start(self.warm_start, self.store.saved, trainable, self.store.drawn)
            progress.info(
                "Warm-started %d variables from %s", len(names), self.warm_start.ckpt_to_initialize_from
            )
        # Last: where a warm start fails, the next call must fail too, and not train from other values.
        self._initialized = True

    def step(self) -> int:
        """The global step as the variables have it, or as the latest checkpoint's name says."""
        self.look_again()
        if "global_step" in self.store.saved and (self.live or self.source is not None):
            return self.present_step()
        found = self.newest()
        if found is not None:
            reader = checkpoint_files.read(found)
            return int(reader.get_tensor("global_step")) if reader.has_tensor("global_step") else 0
        return 0

    def drawn(self) -> int:
        """Where an evaluation's or a prediction's random numbers begin: 0, or by chance without a seed."""
        return 0 if self.config.tf_random_seed is not None else int.from_bytes(os.urandom(5), "little")

    def present_step(self) -> int:
        """The global step that the variable holds now."""
        variable = self.store.saved["global_step"]
        one = variable.values[0] if hasattr(variable, "_values") else variable
        # The operation itself: what ``numpy`` does around it takes ten times as long, thrice a call.
        return int(tf.raw_ops.ReadVariableOp(resource=one.handle, dtype=one.dtype))


def _key(mode: str, signature: Any, strategy: Any) -> Any:
    flat = tuple(tf.nest.flatten(signature, expand_composites=True))
    structure = repr(tf.nest.map_structure(lambda spec: 0, signature))
    return mode, structure, flat, id(strategy) if strategy is not None and mode != ModeKeys.PREDICT else None
