"""The life cycle of ``SessionRunHook`` without a session.

A hook's ``begin`` runs with the model's graph as default, ``before_run`` may ask for any tensor of it, and
``after_run`` gets the values. The functions behind it are cut out of the one graph, so that asking for more
costs no trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.graph.mode_graph import Traced
from transferkit.estimator.session.profiling import profiled, wants_trace
from transferkit.estimator.session.session import Fetches, GraphSession, as_fed, parse_feeds, to_numpy

__all__ = ["HookRunner", "check_hooks", "check_listeners"]

v1 = tf.compat.v1


def check_hooks(hooks: Any) -> list[Any]:
    """A list of hooks, each a SessionRunHook.

    Raises:
        TypeError: where one is something else.
    """
    hooks = list(hooks or ())
    for hook in hooks:
        if not isinstance(hook, v1.train.SessionRunHook):
            raise TypeError(fault("hooks", hook, "instances of tf.compat.v1.train.SessionRunHook"))
    result: list[Any] = hooks
    return result


def check_listeners(place: str, given: Any) -> tuple[Any, ...]:
    """The listeners, each a CheckpointSaverListener.

    Raises:
        TypeError: where one is something else.
    """
    listeners: tuple[Any, ...] = tuple(given or ())
    for listener in listeners:
        if not isinstance(listener, v1.train.CheckpointSaverListener):
            raise TypeError(fault(f"{place}.saving_listeners", listener, "CheckpointSaverListener objects"))
    return listeners


class AskedStep:
    """A step of which it is known what is wanted of it.

    Args:
        traced: the graph.
        default: what the loop itself fetches.

    Attributes:
        context: what the hooks are given; None where there are none.
    """

    def __init__(self, traced: Traced, default: list[Any]) -> None:
        self._traced, self.default = traced, default
        self.context: Any = None
        self._wanted: list[tuple[Any, Fetches | None, int, Any]] = []
        self._tensors: list[Any] = []
        self._operations: list[Any] = []
        self._feeds: list[tuple[Any, Any]] = []
        self._metadata = v1.RunMetadata()

    def add(self, hook: Any, request: Any) -> None:
        """Takes what ``hook`` asks for: ``SessionRunArgs``, or None."""
        if request is None:
            self._wanted.append((hook, None, 0, None))
            return
        parsed = Fetches(self._traced.graph, request.fetches)
        self._wanted.append((hook, parsed, len(self._tensors), request.options))
        self._tensors.extend(parsed.tensors)
        self._operations.extend(parsed.operations)
        self._feeds.extend(parse_feeds(self._traced.graph, request.feed_dict))

    def run(self, inputs: Sequence[Any], jit_compile: bool) -> list[Any]:
        """The values of ``default``, then of what was asked for."""
        fed = [tensor for tensor, _ in self._feeds]
        function = self._traced.function(
            [*self.default, *self._tensors], self._operations, fed, jit_compile=jit_compile
        )
        given = [*inputs, *(as_fed(value, tensor) for tensor, value in self._feeds)]
        if any(wants_trace(options) for *_, options in self._wanted):
            outputs, self._metadata = profiled(lambda: function(*given))
            return list(outputs)
        return function(*given)

    def answers(self, values: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """Each hook, and what it is told of ``values``: those of all that was asked for."""
        for hook, asked, start, options in self._wanted:
            results = None if asked is None else asked.pack(values[start : start + len(asked.tensors)])
            yield (
                hook,
                v1.train.SessionRunValues(results=results, options=options, run_metadata=self._metadata),
            )


# Graph collection: whether hooks have begun in it before.
_EARLIER = "transferkit/hooks_have_begun"


def _same_scope(reuse: Any) -> Any:
    """The variable scope that is open, in which ``reuse`` says what a name means that is taken."""
    return v1.variable_scope(v1.get_variable_scope(), reuse=reuse, auxiliary_name_scope=False)


class HookRunner:
    """Calls hooks around steps, with the model's graph as default.

    Args:
        hooks: in the order in which they are called.
        traced: the graph they look at.
    """

    def __init__(self, hooks: Sequence[Any], traced: Traced) -> None:
        self.hooks = list(dict.fromkeys(hooks))
        self._traced = traced
        self.session = GraphSession(traced)
        self.stop = False

    def begin(self) -> None:
        """Calls ``begin`` of every hook, before the graph is finished."""
        graph = self._traced.graph
        earlier = graph.get_collection_ref(_EARLIER)
        # The graph serves every call: what a hook made in an earlier one is there already.
        reuse = v1.AUTO_REUSE if earlier else None
        earlier[:] = [True]
        with graph.as_default(), _same_scope(reuse):
            for hook in self.hooks:
                hook.begin()

    def created(self) -> None:
        """Calls ``after_create_session`` of every hook."""
        if self.hooks:
            coordinator = tf.train.Coordinator()
            with self._traced.graph.as_default():
                for hook in self.hooks:
                    hook.after_create_session(self.session, coordinator)

    def ask(self, default: Sequence[Any]) -> AskedStep:
        """Asks the hooks what they want of the next step, before its data are taken.

        A session takes the data within the step: a hook that measures steps measures the wait for data too,
        and is asked once more where the data have ended.

        Args:
            default: what the loop itself fetches.
        """
        step = AskedStep(self._traced, list(default))
        if self.hooks:
            args = v1.train.SessionRunArgs(step.default)
            step.context = v1.train.SessionRunContext(original_args=args, session=self.session)
            with self._traced.graph.as_default():
                for hook in self.hooks:
                    step.add(hook, hook.before_run(step.context))
        return step

    def run(self, step: AskedStep, inputs: Sequence[Any], jit_compile: bool = False) -> list[Any]:
        """Runs a step, and tells the hooks.

        Args:
            step: what :meth:`ask` gave.
            inputs: values of the traced inputs.
            jit_compile: whether XLA compiles the step.

        Returns:
            The values of the step's ``default``.
        """
        outputs = step.run(inputs, jit_compile)
        if self.hooks:
            values = [to_numpy(tensor) for tensor in outputs[len(step.default) :]]
            with self._traced.graph.as_default():
                for hook, told in step.answers(values):
                    hook.after_run(step.context, told)
            self.stop = self.stop or step.context.stop_requested
        return outputs[: len(step.default)]

    def end(self) -> None:
        """Calls ``end`` of every hook."""
        if self.hooks:
            with self._traced.graph.as_default():
                for hook in self.hooks:
                    hook.end(self.session)
        for writer in self._traced.writers:
            writer.flush()
