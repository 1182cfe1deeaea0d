"""Heads: losses, metrics, predictions, what an Estimator makes of them, and what they refuse."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from conformance.catalogue import errors_of, event_tags, number, shows

v1 = tf.compat.v1


ROWS = 7


def _features() -> dict[str, Any]:
    """Inputs, and weights of examples."""
    random = np.random.RandomState(5)
    x = random.normal(size=(ROWS, 3)).astype(np.float32)
    return {"x": x, "w": random.uniform(0.2, 2.0, ROWS).astype(np.float32)}


def _sparse(values: list[Any]) -> Any:
    """Labels of examples 0, 0, 2, 3 … as a SparseTensor."""
    rows = [[0, 0], [0, 1], *([row, 0] for row in range(2, ROWS))]
    return tf.sparse.SparseTensor(rows, values, [ROWS, 2])


INTEGERS = np.array([0, 2, 1, 1, 2, 0, 2])
BITS = np.array([0, 1, 1, 0, 1, 0, 1])
MULTI_HOT = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 1]])
NUMBERS = np.linspace(-1, 2, ROWS).astype(np.float32)
COUNTS = np.array([0, 1, 4, 2, 3, 0, 7], np.float32)
SHARES = np.array([0.0, 0.3, 1.0, 0.7, 0.2, 0.9, 0.5], np.float32)
NAMES = ["no", "maybe", "yes"]


def _huber(labels: Any, logits: Any, features: Any) -> Any:
    return tf.abs(tf.cast(labels, tf.float32) - tf.reduce_mean(logits, -1, True)) * features["x"][:, :1]


# What it is called -> (makes it, labels).
HEADS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "MultiClassHead": (lambda E: E.MultiClassHead(3), INTEGERS),
    "MultiClassHead with names, weights, a sum and labels in a column": (
        lambda E: E.MultiClassHead(3, "w", NAMES, "sum", name="top"),
        np.array(NAMES)[INTEGERS][:, None],
    ),
    "MultiClassHead with a loss of its own": (lambda E: E.MultiClassHead(3, "w", loss_fn=_huber), INTEGERS),
    "BinaryClassHead": (lambda E: E.BinaryClassHead(), BITS),
    "BinaryClassHead with float labels": (lambda E: E.BinaryClassHead("w"), SHARES),
    "BinaryClassHead with names, weights and thresholds": (
        lambda E: E.BinaryClassHead("w", [0.25, 0.5, 0.9], ["no", "yes"], name="both"),
        np.array(["no", "yes"])[BITS],
    ),
    "BinaryClassHead with a column of weights and a sum": (
        lambda E: E.BinaryClassHead(
            tf.feature_column.numeric_column("w", normalizer_fn=lambda w: w * 2), loss_reduction="sum"
        ),
        BITS[:, None],
    ),
    "MultiLabelHead": (lambda E: E.MultiLabelHead(3), MULTI_HOT),
    "MultiLabelHead with weights, thresholds and classes": (
        lambda E: E.MultiLabelHead(3, "w", [0.4], classes_for_class_based_metrics=[0, 2], name="tags"),
        MULTI_HOT,
    ),
    "MultiLabelHead with names": (
        lambda E: E.MultiLabelHead(
            3, label_vocabulary=NAMES, classes_for_class_based_metrics=["maybe"], loss_reduction="sum"
        ),
        MULTI_HOT,
    ),
    "RegressionHead": (lambda E: E.RegressionHead(), NUMBERS),
    "RegressionHead of three numbers with weights": (
        lambda E: E.RegressionHead(3, "w", name="three"),
        np.stack([NUMBERS, NUMBERS**2, -NUMBERS], 1),
    ),
    "RegressionHead with a weight for each number": (
        lambda E: E.RegressionHead(
            3, tf.feature_column.numeric_column("x", (3,), normalizer_fn=tf.abs), "sum"
        ),
        np.stack([NUMBERS, NUMBERS**2, -NUMBERS], 1),
    ),
    "RegressionHead with a link and a loss": (
        lambda E: E.RegressionHead(loss_fn=_huber, inverse_link_fn=tf.tanh),
        NUMBERS,
    ),
    "PoissonRegressionHead": (lambda E: E.PoissonRegressionHead(weight_column="w"), COUNTS),
    "PoissonRegressionHead without the constant": (
        lambda E: E.PoissonRegressionHead(compute_full_loss=False, loss_reduction="sum"),
        COUNTS,
    ),
    "LogisticRegressionHead": (lambda E: E.LogisticRegressionHead("w", name="share"), SHARES),
    "MultiHead": (
        lambda E: E.MultiHead(
            [E.MultiClassHead(3, "w", name="a"), E.RegressionHead(name="b"), E.BinaryClassHead(name="c")],
            [1.0, 0.5, 2.0],
        ),
        {"a": INTEGERS, "b": NUMBERS, "c": BITS},
    ),
}


def _logits(head: Any, features: Any) -> Any:
    weights = np.random.RandomState(1).normal(size=(3, 8)).astype(np.float32)
    return tf.matmul(features["x"], weights[:, : head.logits_dimension])


def _plain(values: Any) -> Any:
    """Tensors by name as lists, the names as text."""
    shown = {}
    for key, value in values.items():
        value = np.asarray(value)
        shown[str(key)] = (
            number(value) if value.dtype.kind in "fiu" else np.char.decode(value.astype("S")).tolist()
        )
    return shown


def _outside(make: Callable[[Any], Any], labels: Any) -> Callable[[Any, str], Any]:
    def check(E: Any, folder: str) -> Any:
        head, features = make(E), _features()
        logits = _logits(head, features)
        metrics = head.metrics([0.5])
        for part in (slice(0, 4), slice(4, ROWS)):
            some = {key: value[part] for key, value in features.items()}
            truth = tf.nest.map_structure(lambda value, part=part: value[part], labels)
            metrics = head.update_metrics(metrics, some, logits[part], truth, regularization_losses=[0.5])
        regularized = head.loss(labels, logits, features, regularization_losses=[0.25, 0.5])
        return {
            "is": [head.name, head.logits_dimension, head.loss_reduction],
            "loss": number(head.loss(labels, logits, features)),
            "regularized": number(regularized),
            "metrics": {key: number(metric.result()) for key, metric in sorted(metrics.items())},
            "predictions": _plain(head.predictions(logits)),
        }

    return check


def _model(E: Any, make: Callable[[Any], Any], optimizer: bool = False) -> Any:
    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        head = make(E)
        start = np.random.RandomState(1).normal(size=(3, 8)).astype(np.float32)
        weights = v1.get_variable("weights", initializer=start[:, : head.logits_dimension])
        logits = tf.matmul(features["x"], weights)
        how: dict[str, Any] = {}
        if optimizer and mode == "train":
            # tf.estimator knows Keras's older optimizers alone.
            kinds = tf.keras.optimizers.legacy if tf.__version__ < "2.16" else tf.keras.optimizers
            chosen = kinds.SGD(0.1)
            chosen.iterations = v1.train.get_or_create_global_step()
            how = {"optimizer": chosen, "trainable_variables": [weights]}
        elif mode == "train":
            sgd = v1.train.GradientDescentOptimizer(0.1)
            how = {"train_op_fn": lambda loss: sgd.minimize(loss, v1.train.get_global_step())}
        regularization = [0.01 * tf.reduce_sum(weights**2)]
        return head.create_estimator_spec(
            features, mode, logits, labels, regularization_losses=regularization, **how
        )

    return model_fn


def _inside(make: Callable[[Any], Any], labels: Any) -> Callable[[Any, str], Any]:
    def check(E: Any, folder: str) -> Any:
        estimator = E.Estimator(_model(E, make), folder)

        def data() -> Any:
            return tf.data.Dataset.from_tensor_slices((_features(), labels)).batch(4)

        estimator.train(data)
        results = estimator.evaluate(data)
        predictions = next(iter(estimator.predict(data)))
        scalars = event_tags(folder)
        return {
            "metrics": {key: number(value) for key, value in sorted(results.items())},
            "predictions": _plain(predictions),
            "weights": number(estimator.get_variable_value("weights")),
            "summaries": sorted(tag for tag in scalars if "sec" not in tag and tag != "learning_rate"),
        }

    return check


for _name, (_make, _labels) in HEADS.items():
    shows("heads", f"{_name}: eagerly")(_outside(_make, _labels))
    shows("heads", f"{_name}: in an Estimator")(_inside(_make, _labels))


@shows("heads", "sparse labels of ids and of names")
def _(E: Any, folder: str) -> Any:
    features = _features()
    ids, names = [0, 2, 1, 2, 0, 1, 2], [b"no", b"yes", b"maybe", b"yes", b"no", b"maybe", b"yes"]
    by_id, by_name = E.MultiLabelHead(3), E.MultiLabelHead(3, label_vocabulary=NAMES)
    logits = _logits(by_id, features)
    return [
        number(by_id.loss(_sparse(ids), logits, features)),
        number(by_name.loss(_sparse(names), logits, features)),
    ]


@shows("heads", "a Keras optimizer with the variables it trains")
def _(E: Any, folder: str) -> Any:
    estimator = E.Estimator(_model(E, HEADS["BinaryClassHead"][0], optimizer=True), folder)
    estimator.train(lambda: tf.data.Dataset.from_tensor_slices((_features(), BITS)).batch(4).repeat(2))
    return number(estimator.get_variable_value("weights"))


@shows("heads", "logits of several heads in one tensor or by name, and chosen predictions")
def _(E: Any, folder: str) -> Any:
    head = HEADS["MultiHead"][0](E)
    labels, features = HEADS["MultiHead"][1], _features()
    logits = _logits(head, features)
    named = {"a": logits[:, :3], "b": logits[:, 3:4], "c": logits[:, 4:]}
    binary = E.BinaryClassHead()
    return [
        number(head.loss(labels, logits, features)),
        number(head.loss(labels, named, features)),
        sorted(binary.predictions(logits[:, :1], ["classes", "logistic"])),
    ]


def _signatures(E: Any, make: Callable[[Any], Any], folder: str) -> Any:
    estimator = E.Estimator(_model(E, make), folder)
    labels = {"a": INTEGERS, "b": NUMBERS, "c": BITS}
    kind = make(E)
    truth = (
        labels
        if kind.name == "a_b_c"
        else {"MultiClassHead": INTEGERS, "MultiLabelHead": MULTI_HOT}.get(type(kind).__name__, BITS)
    )
    estimator.train(lambda: tf.data.Dataset.from_tensor_slices((_features(), truth)).batch(4))
    spec = {"x": tf.io.FixedLenFeature([3], tf.float32)}
    receiver = E.build_parsing_serving_input_receiver_fn(spec)
    saved = estimator.export_saved_model(os.path.join(folder, "export"), receiver)
    path = os.path.join(os.fsdecode(saved), "saved_model.pb")
    from tensorflow.core.protobuf import saved_model_pb2

    with open(path, "rb") as file:
        model = saved_model_pb2.SavedModel.FromString(file.read())
    shown = {}
    for name, signature in model.meta_graphs[0].signature_def.items():
        if not name.startswith("__"):
            shown[name] = [
                signature.method_name.split("/")[-1],
                sorted(signature.inputs),
                sorted(signature.outputs),
            ]
    example = tf.train.Example()
    example.features.feature["x"].float_list.value.extend([0.5, -1.0, 2.0])
    loaded = tf.saved_model.load(os.fsdecode(saved)).signatures
    answers = {}
    for name in sorted(shown):
        function = loaded[name]
        key = next(iter(function.structured_input_signature[1]))
        answers[name] = _plain(function(**{key: tf.constant([example.SerializeToString()])}))
    return [shown, answers]


for _name in ("MultiClassHead", "BinaryClassHead", "MultiLabelHead", "LogisticRegressionHead", "MultiHead"):

    def _exported(E: Any, folder: str, make: Callable[[Any], Any] = HEADS[_name][0]) -> Any:
        return _signatures(E, make, folder)

    shows("heads", f"{_name}: signatures of an export")(_exported)


@shows("heads", "what is refused when a head is made")
def _(E: Any, folder: str) -> Any:
    none = tf.losses.Reduction.NONE
    return errors_of(
        lambda: E.MultiClassHead(None),
        lambda: E.MultiClassHead(2),
        lambda: E.MultiClassHead(3, label_vocabulary=["a"]),
        lambda: E.MultiClassHead(3, label_vocabulary="abc"),
        lambda: E.MultiClassHead(3, loss_reduction=none),
        lambda: E.MultiClassHead(3, loss_reduction="mean"),
        lambda: E.MultiClassHead(3, loss_reduction=v1.losses.Reduction.SUM),
        lambda: E.MultiClassHead(3, loss_fn=lambda labels: labels),
        lambda: E.MultiClassHead(3, loss_fn=lambda labels, logits, more: labels),
        lambda: E.BinaryClassHead(thresholds=[0.0]),
        lambda: E.BinaryClassHead(thresholds=[0.5, 1.0]),
        lambda: E.BinaryClassHead(label_vocabulary="no"),
        lambda: E.MultiLabelHead(1),
        lambda: E.MultiLabelHead(3, label_vocabulary=["a"]),
        lambda: E.MultiLabelHead(3, classes_for_class_based_metrics=[3]),
        lambda: E.MultiLabelHead(3, classes_for_class_based_metrics=["a"]),
        lambda: E.MultiLabelHead(2, label_vocabulary=["a", "b"], classes_for_class_based_metrics=["c"]),
        lambda: E.MultiLabelHead(3, thresholds=[2.0]),
        lambda: E.RegressionHead(0),
        lambda: E.RegressionHead(loss_reduction="none"),
        lambda: E.MultiHead([]),
        lambda: E.MultiHead([E.RegressionHead()]),
        lambda: E.MultiHead([E.RegressionHead(name="a")], [1.0, 2.0]),
        lambda: (
            E.MultiHead(
                [E.RegressionHead(name="a"), E.RegressionHead(loss_reduction="sum", name="b")]
            ).loss_reduction
        ),
    )


@shows("heads", "labels, logits and weights of wrong shapes, types and values, eagerly")
def _(E: Any, folder: str) -> Any:
    multi, binary, tags, three = (
        E.MultiClassHead(3),
        E.BinaryClassHead("w"),
        E.MultiLabelHead(3),
        E.RegressionHead(3),
    )
    named = E.MultiClassHead(3, label_vocabulary=NAMES)
    logits, features = np.zeros([ROWS, 3], np.float32), _features()
    one = logits[:, :1]
    return errors_of(
        lambda: multi.loss(None, logits, features),
        lambda: multi.loss(_sparse([0] * 7), logits, features),
        lambda: multi.loss(MULTI_HOT, logits, features),
        lambda: multi.loss(INTEGERS[:3], logits, features),
        lambda: multi.loss(SHARES, logits, features),
        lambda: multi.loss(INTEGERS + 1, logits, features),
        lambda: multi.loss(INTEGERS - 1, logits, features),
        lambda: multi.loss(np.array(["no"] * ROWS), logits, features),
        lambda: named.loss(INTEGERS, logits, features),
        lambda: named.loss(np.array(["other"] * ROWS), logits, features),
        lambda: multi.loss(INTEGERS, one, features),
        lambda: multi.loss(INTEGERS, logits[0], features),
        lambda: multi.predictions(logits, ["logistic"]),
        lambda: binary.loss(BITS * 2, one, features),
        lambda: binary.loss(BITS, one, {"x": features["x"]}),
        lambda: binary.loss(BITS, one, {"w": features["w"][:3]}),
        lambda: E.BinaryClassHead(("w",)).loss(BITS, one, features),
        lambda: tags.loss(MULTI_HOT * 2, logits, features),
        lambda: tags.loss(MULTI_HOT[:, :2], logits, features),
        lambda: tags.loss(_sparse([5] * 7), logits, features),
        lambda: tags.loss(_sparse([0.5] * 7), logits, features),
        lambda: three.loss(NUMBERS, logits, features),
        lambda: E.LogisticRegressionHead().loss(NUMBERS, one, features),
        lambda: E.MultiClassHead(3, loss_fn=lambda labels, logits: logits).loss(INTEGERS, logits, features),
        lambda: E.MultiHead([E.RegressionHead(name="a")]).loss({"b": NUMBERS}, {"a": one}, features),
        lambda: E.MultiHead([E.RegressionHead(name="a")]).loss({"a": NUMBERS}, {"b": one}, features),
        lambda: E.MultiHead([E.RegressionHead(name="a")]).loss(NUMBERS, {"a": one}, features),
        lambda: E.MultiHead([E.RegressionHead(name="a")]).loss({"a": NUMBERS}, logits, features),
    )


@shows("heads", "what create_estimator_spec refuses, and labels that do not fit, in a graph")
def _(E: Any, folder: str) -> Any:
    head, features = E.BinaryClassHead(), {"x": np.zeros([2, 1], np.float32)}
    logits, labels = np.zeros([2, 1], np.float32), np.zeros([2, 1], np.float32)

    def spec(
        mode: str = "train", labels: Any = labels, logits: Any = logits, **more: Any
    ) -> Callable[[], Any]:
        def act() -> Any:
            with tf.Graph().as_default():
                head.create_estimator_spec(features, mode, tf.constant(logits), labels, **more)

        return act

    sgd = v1.train.GradientDescentOptimizer(0.1)
    return errors_of(
        spec(),
        spec(optimizer=sgd, train_op_fn=lambda loss: tf.no_op()),
        spec(optimizer=sgd),
        spec(optimizer=sgd, trainable_variables=[]),
        spec(train_op_fn=lambda loss: tf.no_op(), update_ops=3),
        spec(train_op_fn=lambda loss: None),
        spec(train_op_fn=lambda loss: tf.no_op(), update_ops=[]),
        spec("eval", None),
        spec("eval", labels[:1]),
        spec("eval", labels[:, 0]),
        spec("eval", np.zeros([2, 2], np.float32)),
        spec("infer", logits=np.zeros([2, 2], np.float32)),
        spec("infer", logits=np.zeros([2], np.float32)),
    )


@shows("heads", "a head of one's own")
def _(E: Any, folder: str) -> Any:
    class Doubled(E.RegressionHead):  # type: ignore[misc]
        def loss(self, *args: Any, **kwargs: Any) -> Any:
            return 2 * super().loss(*args, **kwargs)

    estimator = E.Estimator(_model(E, lambda E: Doubled()), folder)
    estimator.train(lambda: tf.data.Dataset.from_tensor_slices((_features(), NUMBERS)).batch(4))
    return number(estimator.get_variable_value("weights"))
