"""SavedModels with a graph for each of several modes, as sessions load them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.engine import Engine
from transferkit.estimator.export_output import EvalOutput, TrainOutput
from transferkit.estimator.graph.session_graph import SessionGraph, initial_locals, session_graph
from transferkit.estimator.saved_models.write_saved_model import check_graph, trained, write_whole
from transferkit.estimator.spec import ModeKeys, is_keras_metric

__all__ = ["EXPORT_TAG_MAP", "export_all_saved_models"]

v1 = tf.compat.v1

# Mode -> its tag, and the name of its one signature; those of predictions are named by the model.
_MODES = {
    ModeKeys.TRAIN: ("train", "train"),
    ModeKeys.EVAL: ("eval", "eval"),
    ModeKeys.PREDICT: (tf.saved_model.SERVING, None),
}
# Mode -> the tags by which its graph is loaded.
EXPORT_TAG_MAP = {mode: [tag] for mode, (tag, _) in _MODES.items()}


def export_all_saved_models(
    engine: Engine,
    base: str,
    receiver_fns: Mapping[str, Callable[[], Any]],
    assets_extra: Mapping[str, str] | None,
    as_text: bool,
    checkpoint_path: str | None,
) -> str:
    """Writes one SavedModel with a graph for each mode of ``receiver_fns``.

    Args:
        engine: whose model.
        base: the folder in which a folder named by the time in seconds is made.
        receiver_fns: mode -> receiver function; those of training and evaluation give labels too.
        assets_extra: target below ``assets.extra`` -> file to copy there.
        as_text: whether the graphs are written as text.
        checkpoint_path: whose weights; None takes the present ones.

    Returns:
        The folder. ``tf.compat.v1.saved_model.load(session, ["train"], folder)`` loads a graph by its tag:
        ``train``, ``eval`` or ``serve``.

    Raises:
        ValueError: where there is no such mode or nothing trained, or a receiver does not fit.
    """
    unknown = sorted(set(receiver_fns) - set(_MODES))
    if unknown or not receiver_fns:
        raise ValueError(fault("input_receiver_fn_map", sorted(receiver_fns), "some of train, eval, infer"))
    modes = [mode for mode in _MODES if mode in receiver_fns]

    def write(temporary: str) -> None:
        made = {mode: _Exported(engine, mode, receiver_fns[mode]) for mode in modes}
        with engine.weights_of(trained(engine, checkpoint_path), made[modes[-1]].traced):
            values = {name: value.numpy() for name, value in engine.values().items()}
        builder = v1.saved_model.Builder(temporary)
        for number, mode in enumerate(modes):
            made[mode].add_to(builder, values if number == 0 else None)
        builder.save()

    return write_whole(base, write, assets_extra, as_text)


class _Exported:
    """The graph of one mode behind what its receiver function receives."""

    def __init__(self, engine: Engine, mode: str, receiver_fn: Callable[[], Any]) -> None:
        self._engine, self._mode = engine, mode
        graph = tf.Graph()
        with graph.as_default():
            receiver = receiver_fn()
            given = receiver.features, getattr(receiver, "labels", None)
            flat = [t for t in tf.nest.flatten(given, expand_composites=True) if t is not None]
            check_graph(graph, flat)
            position = tf.constant(0, tf.int64)
        self._receivers = receiver.receiver_tensors
        specs = tf.nest.map_structure(lambda value: None if value is None else _spec(value), given)
        self.traced = engine.traced(mode, specs)
        inner = [tensor.name for tensor in self.traced.inputs]
        inputs = dict(zip(inner, [position, *flat], strict=True))
        self._made: SessionGraph = session_graph(self.traced, engine.store, graph, inputs)

    def add_to(self, builder: Any, values: Mapping[str, Any] | None) -> None:
        """Adds the graph; with ``values``, the variables too."""
        made, (tag, _) = self._made, _MODES[self._mode]
        with made.graph.as_default():
            signatures = self._signatures()
            saver = v1.train.Saver(saver_def=made.saver_def)
            given = {
                "signature_def_map": signatures,
                "main_op": initial_locals(made.graph, self._engine.store.local.values()),
                "saver": saver,
                "strip_default_attrs": True,
            }
            if self._mode == ModeKeys.TRAIN:
                steps = [made.tensor(op) for op in self.traced.effects]
                made.graph.add_to_collection(v1.GraphKeys.TRAIN_OP, tf.group(*steps, name="train_step"))
            if values is None:
                builder.add_meta_graph([tag], **given)
                return
            with v1.Session(graph=made.graph) as session:
                for name, proto in made.variables.items():
                    # The operation that gives a variable its first value takes any value.
                    initial = proto.initial_value_name
                    session.run(proto.initializer_name, {initial: values[name]})
                builder.add_meta_graph_and_variables(session, [tag], **given)

    def _signatures(self) -> dict[str, Any]:
        spec, tensor = self.traced.spec, self._made.tensor
        if self._mode == ModeKeys.PREDICT:
            outputs = spec.export_outputs or {}
            return {
                name: _moved(output, tensor).as_signature_def(self._receivers)
                for name, output in outputs.items()
            }
        predictions = tf.nest.map_structure(tensor, spec.predictions)
        metrics = {
            name: (tensor(value), tensor(update))
            for name, (value, update) in (
                (name, metric) for name, metric in spec.eval_metric_ops.items() if not is_keras_metric(metric)
            )
        }
        kind = TrainOutput if self._mode == ModeKeys.TRAIN else EvalOutput
        output = kind(tensor(spec.loss), predictions or None, metrics or None)
        return {str(_MODES[self._mode][1]): output.as_signature_def(self._receivers)}


def _moved(output: Any, tensor: Callable[[Any], Any]) -> Any:
    """A copy of an export output with the tensors of another graph."""
    made = object.__new__(type(output))
    for name, value in vars(output).items():
        moved = value
        if tf.is_tensor(value):
            moved = tensor(value)
        elif isinstance(value, dict):
            moved = {key: tensor(one) for key, one in value.items()}
        setattr(made, name, moved)
    return made


def _spec(value: Any) -> Any:
    spec = tf.type_spec_from_value(value)
    return tf.TensorSpec(spec.shape, spec.dtype) if isinstance(spec, tf.TensorSpec) else spec
