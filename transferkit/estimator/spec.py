"""What a model_fn returns: :class:`EstimatorSpec`, which validates itself when made, and the modes.

The names, arguments and error types are those of ``tf.estimator`` 2.15, so that a model_fn written for it
needs another import and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from transferkit.errors import fault
from transferkit.estimator.export_output import ExportOutput, PredictOutput, of_tensorflow
from transferkit.estimator.ready_models.metric_pairs import paired
from transferkit.type_names import Tensor, Tensors

__all__ = ["EstimatorSpec", "ModeKeys"]

# The key under which a serving request finds an export output when it names none.
DEFAULT_SIGNATURE = "serving_default"


class ModeKeys:
    """The modes a model_fn is called in."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


class _Fields(NamedTuple):
    mode: str | None
    predictions: Tensors
    loss: Tensor
    train_op: Any
    eval_metric_ops: dict[str, Any]
    export_outputs: dict[str, ExportOutput] | None
    training_chief_hooks: tuple[Any, ...]
    training_hooks: tuple[Any, ...]
    scaffold: Any
    evaluation_hooks: tuple[Any, ...]
    prediction_hooks: tuple[Any, ...]


class EstimatorSpec(_Fields):
    """The operations of one mode, checked when made.

    Args:
        mode: one of :class:`ModeKeys`; None in a model_fn that takes no mode, for that of the call.
        predictions: a tensor or a dictionary of tensors; needed in PREDICT.
        loss: a scalar tensor (one element, reshaped where it is not of rank 0); needed in TRAIN and EVAL.
        train_op: what one training step runs: an operation, a tensor, a variable, or what a Keras
            optimizer's ``apply_gradients`` returned; needed in TRAIN.
        eval_metric_ops: name -> ``(value, update)`` pair of tensors, or a Keras metric whose
            ``update_state`` was called in the model_fn; in the spec it is such a pair too.
        export_outputs: signature name -> export output; without one in PREDICT, the predictions are
            served as they are.
        training_chief_hooks: hooks of the chief worker's training.
        training_hooks: hooks of every worker's training.
        scaffold: a ``tf.compat.v1.train.Scaffold``; its ``init_fn``, ``local_init_op``, ``init_op`` and
            ``saver`` have a meaning here, see :mod:`transferkit.estimator`.
        evaluation_hooks: hooks of evaluation.
        prediction_hooks: hooks of prediction.

    Raises:
        ValueError: where something that the mode needs is missing or has the wrong shape.
        TypeError: where something has the wrong type.
    """

    __slots__ = ()

    def __new__(
        cls,
        mode: str | None,
        predictions: Tensors = None,
        loss: Tensor = None,
        train_op: Any = None,
        eval_metric_ops: Mapping[str, Any] | None = None,
        export_outputs: Mapping[str, ExportOutput] | None = None,
        training_chief_hooks: Any = None,
        training_hooks: Any = None,
        scaffold: Any = None,
        evaluation_hooks: Any = None,
        prediction_hooks: Any = None,
    ) -> EstimatorSpec:
        if mode not in (None, ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT):
            raise ValueError(fault("EstimatorSpec.mode", mode, "one of 'train', 'eval', 'infer'"))
        return super().__new__(
            cls,
            mode,
            _predictions(predictions, mode),
            _loss(loss, mode),
            _train_op(train_op, mode),
            _metrics(eval_metric_ops),
            _export_outputs(export_outputs, predictions, mode),
            _hooks(training_chief_hooks, "training_chief_hooks"),
            _hooks(training_hooks, "training_hooks"),
            _scaffold(scaffold),
            _hooks(evaluation_hooks, "evaluation_hooks"),
            _hooks(prediction_hooks, "prediction_hooks"),
        )

    def in_mode(self, mode: str) -> EstimatorSpec:
        """A copy of one without a mode, checked for the mode that it gets.

        Raises:
            ValueError: something that the mode needs is missing.
        """
        return EstimatorSpec(**{**self._asdict(), "mode": mode})

    def _replace(self, **changes: Any) -> EstimatorSpec:
        """A copy with ``changes``, checked as when made.

        Raises:
            ValueError: for another mode, or a name that is no field.
        """
        if changes.get("mode", self.mode) != self.mode:
            raise ValueError(fault("EstimatorSpec.mode", changes["mode"], f"{self.mode!r}: it stays as made"))
        unknown = sorted(set(changes) - set(self._fields))
        if unknown:
            raise ValueError(fault("EstimatorSpec._replace", unknown, "some of " + ", ".join(self._fields)))
        return EstimatorSpec(**{**self._asdict(), **changes})


def is_keras_metric(value: Any) -> bool:
    """Whether ``value`` keeps its own state, as the metrics of Keras do."""
    return all(callable(getattr(value, name, None)) for name in ("update_state", "result", "reset_state"))


def _is_tensor(value: Any) -> bool:
    return tf.is_tensor(value) or isinstance(value, (tf.Variable, tf.Operation)) or hasattr(value, "_value")


def _predictions(predictions: Tensors, mode: str | None) -> Any:
    if predictions is None:
        if mode == ModeKeys.PREDICT:
            raise ValueError(fault("EstimatorSpec.predictions", None, None, "Missing predictions."))
        return {}
    items = predictions.items() if isinstance(predictions, Mapping) else [(None, predictions)]
    for name, value in items:
        place = "EstimatorSpec.predictions" + (f"[{name!r}]" if name is not None else "")
        if not tf.is_tensor(value) or isinstance(value, (tf.SparseTensor, tf.RaggedTensor)):
            raise TypeError(fault(place, value, "a tensor", "must be Tensor"))
        _check_graph(place, value)
    if isinstance(predictions, Mapping):
        return {name: _value_of(value) for name, value in predictions.items()}
    return _value_of(predictions)


def _value_of(value: Any) -> Any:
    """A variable's value, and whatever else as it is."""
    return tf.convert_to_tensor(value) if isinstance(value, tf.Variable) else value


def _check_graph(place: str, value: Any) -> None:
    """Raises ValueError for a tensor or operation of another graph than the default one."""
    graph = None if hasattr(value, "numpy") else getattr(value, "graph", None)
    if not isinstance(value, (tf.Tensor, tf.Operation)) or graph is None or tf.executing_eagerly():
        return
    if graph is not tf.compat.v1.get_default_graph():
        raise ValueError(fault(place, value, None, "must be from the default graph"))


def _loss(loss: Tensor, mode: str | None) -> Any:
    if loss is None:
        if mode in (ModeKeys.TRAIN, ModeKeys.EVAL):
            raise ValueError(fault("EstimatorSpec.loss", None, None, "Missing loss."))
        return None
    loss = _value_of(loss)
    if not tf.is_tensor(loss) or isinstance(loss, tf.Operation):
        if not _is_tensor(loss) or isinstance(loss, tf.Operation):
            raise TypeError(fault("EstimatorSpec.loss", loss, "a scalar tensor"))
        try:
            loss = tf.convert_to_tensor(loss)
        except (TypeError, ValueError):
            raise TypeError(fault("EstimatorSpec.loss", loss, "a scalar tensor")) from None
    if loss.shape.num_elements() not in (None, 1):
        raise ValueError(
            fault(
                "EstimatorSpec.loss",
                str(loss.shape),
                "a scalar",
                "reduce it, for example with tf.reduce_mean",
            )
        )
    _check_graph("EstimatorSpec.loss", loss)
    return loss if loss.shape.rank == 0 else tf.reshape(loss, [])


def _train_op(train_op: Any, mode: str | None) -> Any:
    if train_op is None:
        if mode == ModeKeys.TRAIN:
            raise ValueError(fault("EstimatorSpec.train_op", None, None, "Missing train_op."))
        return None
    # Made in an evaluation beside the training strategy it is one a replica's copy; nothing runs it.
    unused = mode != ModeKeys.TRAIN and isinstance(train_op, tf.distribute.DistributedValues)
    if not unused and not _is_tensor(train_op):
        raise TypeError(fault("EstimatorSpec.train_op", train_op, None, "must be Operation or Tensor"))
    _check_graph("EstimatorSpec.train_op", train_op)
    return train_op


def _metrics(metrics: Mapping[str, Any] | None) -> dict[str, Any]:
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        raise TypeError(fault("EstimatorSpec.eval_metric_ops", metrics, "a dictionary"))
    checked = {}
    for name, metric in metrics.items():
        place = f"EstimatorSpec.eval_metric_ops[{name!r}]"
        checked[name] = metric
        if is_keras_metric(metric):
            checked[name] = paired(place, metric)
            continue
        if not isinstance(metric, tuple) or len(metric) != 2:
            raise TypeError(fault(place, metric, "a (value, update) tuple or a Keras metric"))
        for part in [*tf.nest.flatten(metric[0]), metric[1]]:
            if not _is_tensor(part):
                raise TypeError(fault(place, part, None, "must be Operation or Tensor"))
            _check_graph(place, part)
    return checked


def _export_outputs(outputs: Any, predictions: Tensors, mode: str | None) -> dict[str, ExportOutput] | None:
    if mode == ModeKeys.PREDICT and outputs is None:
        outputs = {DEFAULT_SIGNATURE: PredictOutput(predictions)}
    if outputs is None:
        return None
    if not isinstance(outputs, Mapping):
        raise TypeError(fault("EstimatorSpec.export_outputs", outputs, "a dictionary"))
    outputs = {name: of_tensorflow(output) for name, output in outputs.items()}
    for name, output in outputs.items():
        if not isinstance(output, ExportOutput):
            raise TypeError(
                fault(
                    f"EstimatorSpec.export_outputs[{name!r}]",
                    output,
                    "a PredictOutput, ClassificationOutput or RegressionOutput",
                )
            )
    if len(outputs) == 1:
        outputs.setdefault(DEFAULT_SIGNATURE, next(iter(outputs.values())))
    elif outputs and DEFAULT_SIGNATURE not in outputs:
        raise ValueError(
            fault(
                "EstimatorSpec.export_outputs",
                sorted(outputs),
                f"one of several under the key {DEFAULT_SIGNATURE!r}",
            )
        )
    result: dict[str, ExportOutput] | None = outputs
    return result


def _hooks(hooks: Any, name: str) -> tuple[Any, ...]:
    hooks = tuple(hooks or ())
    for hook in hooks:
        if not isinstance(hook, tf.compat.v1.train.SessionRunHook):
            raise TypeError(fault(f"EstimatorSpec.{name}", hook, "SessionRunHook instances"))
    result: tuple[Any, ...] = hooks
    return result


def _scaffold(scaffold: Any) -> Any:
    scaffold = scaffold or tf.compat.v1.train.Scaffold()
    if not isinstance(scaffold, tf.compat.v1.train.Scaffold):
        raise TypeError(fault("EstimatorSpec.scaffold", scaffold, "a tf.compat.v1.train.Scaffold"))
    return scaffold
