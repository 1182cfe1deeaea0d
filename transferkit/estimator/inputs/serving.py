"""What a served model receives, and how that becomes features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

import tensorflow as tf

from transferkit.errors import fault
from transferkit.type_names import Tensors

__all__ = [
    "ServingInputReceiver",
    "SupervisedInputReceiver",
    "TensorServingInputReceiver",
    "UnsupervisedInputReceiver",
    "build_parsing_serving_input_receiver_fn",
    "build_raw_serving_input_receiver_fn",
    "build_raw_supervised_input_receiver_fn",
]

v1 = tf.compat.v1


class _Receiver(NamedTuple):
    features: Tensors
    receiver_tensors: dict[str, Any]
    receiver_tensors_alternatives: dict[str, dict[str, Any]] | None


class ServingInputReceiver(_Receiver):
    """The placeholders a request fills, and the features made of them.

    Args:
        features: a tensor (named ``feature``) or a dictionary of tensors.
        receiver_tensors: a tensor (named ``input``) or a dictionary of tensors: what a request gives.
        receiver_tensors_alternatives: signature name -> other tensors a request may give instead.

    Raises:
        ValueError: where something is missing, is no tensor, or has no string for a name.
    """

    __slots__ = ()

    def __new__(
        cls, features: Tensors, receiver_tensors: Tensors, receiver_tensors_alternatives: Any = None
    ) -> Self:
        return super().__new__(
            cls,
            _named("features", features, "feature"),
            _named("receiver_tensors", receiver_tensors, "input", (str,)),
            _alternatives(receiver_tensors_alternatives),
        )


class TensorServingInputReceiver(_Receiver):
    """As :class:`ServingInputReceiver`, for a model_fn that takes one tensor and no dictionary."""

    __slots__ = ()

    def __new__(
        cls, features: Tensors, receiver_tensors: Tensors, receiver_tensors_alternatives: Any = None
    ) -> TensorServingInputReceiver:
        if features is None:
            raise ValueError(
                fault("TensorServingInputReceiver.features", None, None, "features must be defined")
            )
        if not _tensor(features):
            raise ValueError(fault("TensorServingInputReceiver.features", features, "one tensor"))
        return super().__new__(
            cls,
            features,
            _named("receiver_tensors", receiver_tensors, "input", (str,)),
            _alternatives(receiver_tensors_alternatives),
        )


class UnsupervisedInputReceiver(ServingInputReceiver):
    """As :class:`SupervisedInputReceiver`, for a model that takes no labels."""

    __slots__ = ()

    def __new__(cls, features: Tensors, receiver_tensors: Tensors) -> Self:
        return super().__new__(cls, features, receiver_tensors)


def _tensor(value: Any) -> bool:
    return tf.is_tensor(value) or isinstance(value, (tf.SparseTensor, tf.RaggedTensor))


def _named(place: str, given: Any, default: str, keys: tuple[type, ...] = (str, int)) -> dict[str, Any]:
    if given is None:
        raise ValueError(fault(place, None, None, f"{place} must be defined"))
    given = dict(given) if isinstance(given, Mapping) else {default: given}
    for name, value in given.items():
        if not isinstance(name, keys):
            raise ValueError(fault(f"{place} name", name, "a string"))
        if not _tensor(value):
            raise ValueError(fault(f"{place}[{name!r}]", value, "a tensor"))
    result: dict[str, Any] = given
    return result


def _alternatives(given: Any) -> dict[str, dict[str, Any]] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise ValueError(fault("receiver_tensors_alternatives", given, "a dictionary"))
    return {
        name: _named(f"receiver_tensors_alternatives[{name!r}]", one, "input") for name, one in given.items()
    }


class _Supervised(NamedTuple):
    features: Tensors
    labels: Tensors
    receiver_tensors: dict[str, Any]


class SupervisedInputReceiver(_Supervised):
    """What an exported training or evaluation graph receives: features and labels as model_fn takes them.

    Args:
        features: a tensor or a dictionary of tensors.
        labels: likewise.
        receiver_tensors: a tensor (named ``input``) or a dictionary of tensors: what is fed.

    Raises:
        ValueError: where something is missing, is no tensor, or has no string for a name.
    """

    __slots__ = ()

    def __new__(
        cls, features: Tensors, labels: Tensors, receiver_tensors: Tensors
    ) -> SupervisedInputReceiver:
        _named("features", features, "feature")
        _named("labels", labels, "label")
        return super().__new__(
            cls, features, labels, _named("receiver_tensors", receiver_tensors, "input", (str,))
        )


def build_raw_serving_input_receiver_fn(
    features: Mapping[str, Any], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """A receiver of the features themselves.

    Args:
        features: name -> tensor, array or TensorSpec; dtype and shape are taken, the first dimension is the
            batch.
        default_batch_size: the batch length, or None for any.
    """
    specs = {name: _spec(value, default_batch_size) for name, value in features.items()}

    def receive() -> ServingInputReceiver:
        placeholders = {name: _placeholder(spec, str(name)) for name, spec in specs.items()}
        return ServingInputReceiver(placeholders, dict(placeholders))

    return receive


def build_raw_supervised_input_receiver_fn(
    features: Tensors, labels: Tensors, default_batch_size: int | None = None
) -> Callable[[], SupervisedInputReceiver]:
    """A receiver of features and labels as model_fn takes them, for exports of training and evaluation.

    Args:
        features: a tensor, array or TensorSpec, or a dictionary of them; dtype and shape are taken, the first
            dimension is the batch.
        labels: likewise.
        default_batch_size: the batch length, or None for any.

    Raises:
        ValueError: where features and labels have a name in common.
    """
    named = [
        (given if isinstance(given, Mapping) else {single: given})
        for given, single in ((features, "input"), (labels, "label"))
    ]
    common = sorted(set(named[0]) & set(named[1]))
    if common:
        hint = "Features and labels must have distinct keys."
        raise ValueError(fault("build_raw_supervised_input_receiver_fn", common, None, hint))
    specs = [{name: _spec(value, default_batch_size) for name, value in part.items()} for part in named]

    def receive() -> SupervisedInputReceiver:
        made = [{name: _placeholder(spec, str(name)) for name, spec in part.items()} for part in specs]
        tensors = {**made[0], **made[1]}
        parts = [
            part if isinstance(given, Mapping) else next(iter(part.values()))
            for part, given in zip(made, (features, labels), strict=True)
        ]
        return SupervisedInputReceiver(parts[0], parts[1], tensors)

    return receive


def _spec(value: Any, batch: int | None) -> tf.TensorSpec:
    if not isinstance(value, tf.TensorSpec):
        value = value if tf.is_tensor(value) else tf.convert_to_tensor(value)
        value = tf.TensorSpec(value.shape, value.dtype)
    return tf.TensorSpec(tf.TensorShape([batch]).concatenate(value.shape[1:]), value.dtype)


def _placeholder(spec: tf.TensorSpec, name: str) -> Any:
    return v1.placeholder(spec.dtype, spec.shape, name=name)


def build_parsing_serving_input_receiver_fn(
    feature_spec: Mapping[str, Any], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """A receiver of serialized ``tf.train.Example`` protos (string ``[batch]``, named ``examples``).

    Args:
        feature_spec: as for ``tf.io.parse_example``.
        default_batch_size: the batch length, or None for any.
    """

    def receive() -> ServingInputReceiver:
        examples = v1.placeholder(tf.string, [default_batch_size], name="input_example_tensor")
        return ServingInputReceiver(tf.io.parse_example(examples, feature_spec), {"examples": examples})

    return receive
