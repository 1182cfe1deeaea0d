"""Pre-made Estimators: with the same first weights, the same losses, weights and predictions."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from conformance.catalogue import errors_of, event_tags, number, shows

v1 = tf.compat.v1
fc = tf.feature_column

ROWS = 12
JOBS = ["cook", "clerk", "smith"]
# Last parts of the names of variables that are no optimizer's.
_OWN = ("kernel", "bias", "weights", "bias_weights", "embedding_weights", "gamma", "beta")
_OWN += ("moving_mean", "moving_variance")


def _table() -> tuple[dict[str, Any], dict[str, Any]]:
    """Features, and labels of several kinds."""
    random = np.random.RandomState(7)
    features = {
        "age": random.uniform(18, 70, [ROWS, 1]).astype(np.float32),
        "pair": random.normal(size=[ROWS, 2]).astype(np.float32),
        "job": np.array([JOBS[i % 3] if i % 5 else "other" for i in range(ROWS)])[:, None],
        "town": random.randint(0, 6, [ROWS, 2]),
        "w": random.uniform(0.5, 2.0, [ROWS, 1]).astype(np.float32),
    }
    labels = {
        "bit": random.randint(0, 2, [ROWS, 1]),
        "class": random.randint(0, 3, [ROWS, 1]),
        "number": random.normal(size=[ROWS, 1]).astype(np.float32),
        "two": random.normal(size=[ROWS, 2]).astype(np.float32),
        "answer": np.array(["yes" if i % 3 else "no" for i in range(ROWS)])[:, None],
    }
    return features, labels


def _columns() -> tuple[list[Any], list[Any]]:
    """Columns of the deep and of the wide part."""
    age = fc.numeric_column("age", normalizer_fn=lambda value: (value - 40.0) / 10.0)
    raw = fc.numeric_column("age")
    job = fc.categorical_column_with_vocabulary_list("job", JOBS, num_oov_buckets=1)
    town = fc.categorical_column_with_identity("town", 6)
    decade = fc.bucketized_column(raw, [25.0, 40.0, 55.0])
    hashed = fc.categorical_column_with_hash_bucket("job", 5)
    deep = [
        age,
        fc.numeric_column("pair", (2,)),
        fc.embedding_column(town, 2),
        fc.indicator_column(job),
        decade,
    ]
    wide = [job, town, decade, fc.crossed_column([decade, "job"], 11), age]
    return deep, [*wide, fc.weighted_categorical_column(hashed, "w")]


def _data(label: str) -> Callable[[], Any]:
    features, labels = _table()
    return lambda: tf.data.Dataset.from_tensor_slices((features, labels[label])).batch(5)


def _value(name: str, shape: list[int]) -> Any:
    """A first value that is the same on both sides."""
    value = np.random.RandomState(zlib.crc32(name.encode())).normal(scale=0.3, size=shape)
    return np.abs(value).astype(np.float32) + 0.5 if name.endswith("variance") else value.astype(np.float32)


def _first_weights(E: Any, make: Callable[..., Any], label: str, folder: str) -> Any:
    """Settings of a warm start from a checkpoint with those values."""
    probe = make(E, os.path.join(folder, "probe"))
    probe.train(_data(label), steps=1)
    names = [
        n for n in probe.get_variable_names() if n.split("/")[-1] in _OWN and not n.startswith("training")
    ]
    with tf.Graph().as_default(), v1.Session() as session:
        made = [v1.get_variable(n, initializer=_value(n, probe.get_variable_value(n).shape)) for n in names]
        session.run(v1.global_variables_initializer())
        prefix = v1.train.Saver(made).save(session, os.path.join(folder, "first", "model.ckpt"))
    return names, E.WarmStartSettings(prefix, [f"^{name}(:0)?$" for name in names])


def _round(E: Any, make: Callable[..., Any], label: str, folder: str) -> Any:
    names, start = _first_weights(E, make, label, folder)
    place = os.path.join(folder, "model")
    estimator = make(E, place, warm_start_from=start)
    estimator.train(lambda: _data(label)().repeat(4))
    results = estimator.evaluate(_data(label))
    predictions = next(iter(estimator.predict(_data(label))))
    tags = event_tags(place)
    return {
        "results": {key: number(value, 3) for key, value in sorted(results.items())},
        "weights": {name: number(estimator.get_variable_value(name), 3) for name in names},
        "predictions": {
            key: number(value, 3) if value.dtype.kind in "fiu" else [one.decode() for one in value]
            for key, value in sorted(predictions.items())
        },
        "summaries": sorted(tag for tag in tags if "sec" not in tag and tag != "learning_rate"),
    }


def _keras(name: str, rate: float) -> Callable[[], Any]:
    """Makes a Keras optimizer; tf.estimator knows the older ones alone."""
    kinds = tf.keras.optimizers.legacy if tf.__version__ < "2.16" else tf.keras.optimizers
    return lambda: getattr(kinds, name)(rate)


def _deep(kind: str, **more: Any) -> Callable[..., Any]:
    def make(E: Any, folder: str, **start: Any) -> Any:
        given = {"hidden_units": [4, 3], "feature_columns": _columns()[0], "model_dir": folder}
        return getattr(E, kind)(**given, **{**more, **start})

    return make


def _wide(kind: str, **more: Any) -> Callable[..., Any]:
    def make(E: Any, folder: str, **start: Any) -> Any:
        return getattr(E, kind)(**{"feature_columns": _columns()[1], "model_dir": folder, **more, **start})

    return make


def _both(kind: str, **more: Any) -> Callable[..., Any]:
    def make(E: Any, folder: str, **start: Any) -> Any:
        deep, wide = _columns()
        given = {"linear_feature_columns": wide, "dnn_feature_columns": deep, "dnn_hidden_units": [3]}
        return getattr(E, kind)(**given, model_dir=folder, **{**more, **start})

    return make


# What it is called -> (makes it, the labels it learns).
MODELS: dict[str, tuple[Callable[..., Any], str]] = {
    "DNNClassifier": (_deep("DNNClassifier"), "bit"),
    "DNNClassifier by name SGD": (_deep("DNNClassifier", optimizer="SGD"), "bit"),
    "DNNClassifier with a rate that shows": (_deep("DNNClassifier", optimizer=_keras("Adagrad", 0.5)), "bit"),
    "DNNClassifier of three classes, Adam": (
        _deep("DNNClassifier", n_classes=3, optimizer="Adam", weight_column="w"),
        "class",
    ),
    "DNNClassifier with names and a sum": (
        _deep(
            "DNNClassifier",
            label_vocabulary=["no", "yes"],
            loss_reduction="sum",
            activation_fn=tf.nn.tanh,
            optimizer=_keras("Adam", 0.1),
        ),
        "answer",
    ),
    "DNNClassifier normalized": (
        _deep("DNNClassifier", batch_norm=True, optimizer=_keras("SGD", 0.1)),
        "bit",
    ),
    "DNNRegressor": (_deep("DNNRegressor", label_dimension=2, optimizer=_keras("SGD", 0.05)), "two"),
    "DNNRegressor by name RMSProp": (_deep("DNNRegressor", optimizer="RMSProp"), "number"),
    "DNNRegressor by name Ftrl": (_deep("DNNRegressor", optimizer="Ftrl"), "number"),
    "LinearClassifier": (_wide("LinearClassifier"), "bit"),
    "LinearClassifier of three classes, mean": (
        _wide("LinearClassifier", n_classes=3, sparse_combiner="mean", optimizer="Adagrad"),
        "class",
    ),
    "LinearClassifier without an optimizer": (_wide("LinearClassifier", optimizer=None), "bit"),
    "LinearRegressor by name RMSProp": (_wide("LinearRegressor", optimizer="RMSProp"), "number"),
    "LinearRegressor by name Adam": (_wide("LinearRegressor", optimizer="Adam", weight_column="w"), "number"),
    "DNNLinearCombinedClassifier": (_both("DNNLinearCombinedClassifier"), "bit"),
    "DNNLinearCombinedClassifier with two optimizers": (
        _both(
            "DNNLinearCombinedClassifier",
            n_classes=3,
            batch_norm=True,
            linear_optimizer=_keras("SGD", 0.1),
            dnn_optimizer=_keras("Adam", 0.05),
        ),
        "class",
    ),
    "DNNLinearCombinedRegressor": (
        _both("DNNLinearCombinedRegressor", linear_optimizer="SGD", dnn_optimizer="Adam", weight_column="w"),
        "number",
    ),
}

for _name, (_make, _label) in MODELS.items():

    def _check(E: Any, folder: str, make: Any = _make, label: str = _label) -> Any:
        return _round(E, make, label, folder)

    shows("pre-made", _name)(_check)


def _plain_data(label: str) -> Callable[[], Any]:
    """Numbers alone: lookup tables trip tf.estimator's baseline."""
    features, labels = _table()
    return lambda: tf.data.Dataset.from_tensors(({"age": features["age"]}, labels[label]))


@shows("pre-made", "baselines of classes and numbers")
def _(E: Any, folder: str) -> Any:
    seen = {}
    for kind, label, more in (
        ("BaselineClassifier", "bit", {}),
        ("BaselineClassifier", "class", {"n_classes": 3, "optimizer": "SGD"}),
        ("BaselineRegressor", "number", {"optimizer": "Adam"}),
        ("BaselineRegressor", "two", {"label_dimension": 2}),
    ):
        estimator = getattr(E, kind)(model_dir=os.path.join(folder, label), **more)
        estimator.train(lambda label=label: _plain_data(label)().repeat(5))
        results = estimator.evaluate(_plain_data(label))
        seen[f"{kind} {label}"] = [
            number(estimator.get_variable_value("baseline/bias"), 3),
            {key: number(value, 3) for key, value in sorted(results.items())},
        ]
    return seen


def _named(E: Any, folder: str, name: str) -> Any:
    """Names and values of the variables of an optimizer given by name, also where they are trained on."""
    wide = _columns()[1][:2]
    embedded = [fc.embedding_column(fc.categorical_column_with_identity("town", 6), 2)]
    linear, deep, both, base = (os.path.join(folder, part) for part in ("l", "d", "b", "z"))
    made = [
        E.LinearRegressor(wide, linear, optimizer=name),
        E.DNNRegressor([2], embedded, deep, optimizer=name),
        E.DNNLinearCombinedRegressor(both, wide, name, embedded, name, [2]),
    ]
    for estimator in made:
        estimator.train(_data("number"), steps=3)
    made.append(E.BaselineRegressor(base, optimizer=name))
    made[3].train(_plain_data("number"))
    scalars = [one for one in made[2].get_variable_names() if not made[2].get_variable_value(one).shape]
    on = E.LinearRegressor(wide, linear, optimizer=name)
    on.train(_data("number"), steps=3)
    start = E.WarmStartSettings(linear, ["linear.*", "training.*"])
    again = E.LinearRegressor(wide, optimizer=name, warm_start_from=start)
    again.train(_data("number"), steps=1)
    return {
        "names": [estimator.get_variable_names() for estimator in made],
        "scalars": {one: number(made[2].get_variable_value(one), 5) for one in scalars},
        "values": [
            {one: number(estimator.get_variable_value(one), 4) for one in estimator.get_variable_names()}
            for estimator in (on, again)
        ],
    }


for _name in ("Adagrad", "Adam", "Ftrl", "RMSProp", "SGD"):

    def _check_named(E: Any, folder: str, name: str = _name) -> Any:
        return _named(E, folder, name)

    shows("pre-made", f"variables of {_name} by name, and training on from their values")(_check_named)


@shows("pre-made", "Estimators of a head")
def _(E: Any, folder: str) -> Any:
    deep, wide = _columns()
    seen = []
    for number_, (kind, more) in enumerate(
        (
            ("LinearEstimator", {"feature_columns": wide}),
            ("DNNEstimator", {"feature_columns": deep, "hidden_units": [3]}),
            ("DNNLinearCombinedEstimator", {"linear_feature_columns": wide}),
        )
    ):
        head = E.PoissonRegressionHead(weight_column="w")
        estimator = getattr(E, kind)(head, model_dir=os.path.join(folder, str(number_)), **more)

        def data() -> Any:
            return _data("number")().map(lambda features, label: (features, tf.abs(label)))

        estimator.train(data)
        results = estimator.evaluate(data)
        seen.append([sorted(results), number(results["loss"], 3) if kind != "DNNEstimator" else None])
    return seen


@shows("pre-made", "specs of examples")
def _(E: Any, folder: str) -> Any:
    deep, wide = _columns()

    def plain(spec: Any) -> Any:
        return {key: str(value) for key, value in sorted(spec.items())}

    return [
        plain(E.classifier_parse_example_spec([*deep, *wide], "label")),
        plain(E.classifier_parse_example_spec(wide, "label", tf.string, "no", "weight")),
        plain(
            E.regressor_parse_example_spec(
                deep, "label", label_dimension=3, weight_column=fc.numeric_column("k")
            )
        ),
        errors_of(
            lambda: E.classifier_parse_example_spec(wide, "age"),
            lambda: E.classifier_parse_example_spec(wide, "label", weight_column="age"),
            lambda: E.regressor_parse_example_spec(wide, "label", weight_column="label"),
            lambda: E.regressor_parse_example_spec(wide, "label", weight_column=3),
            lambda: E.regressor_parse_example_spec(["age"], "label"),
        ),
    ]


@shows("pre-made", "what is refused")
def _(E: Any, folder: str) -> Any:
    deep, wide = _columns()

    def train(make: Callable[[], Any], label: str = "bit") -> Callable[[], Any]:
        return lambda: make().train(_data(label))

    names, data = ["a"], _table()
    twice = [fc.numeric_column("age"), fc.numeric_column("age")]
    return errors_of(
        train(lambda: E.DNNClassifier([2], wide)),
        train(lambda: E.DNNClassifier([2], [])),
        train(lambda: E.DNNClassifier([2], twice)),
        train(lambda: E.LinearClassifier(["age"])),
        train(lambda: E.LinearClassifier([])),
        train(lambda: E.DNNClassifier([2], deep, optimizer="Momentum")),
        train(lambda: E.DNNClassifier([2], deep, optimizer=3)),
        train(lambda: E.DNNClassifier([2], deep, optimizer=lambda: "SGD")),
        train(lambda: E.DNNClassifier([2], deep), "answer"),
        train(lambda: E.DNNClassifier([2], deep, label_vocabulary=["a", "b"]), "answer"),
        lambda: E.DNNClassifier([2], deep, n_classes=1),
        lambda: E.DNNClassifier([2], deep, n_classes=3, label_vocabulary=names),
        lambda: E.DNNClassifier([2], deep, loss_reduction="none"),
        lambda: E.DNNRegressor([2], deep, label_dimension=0),
        lambda: E.DNNLinearCombinedClassifier(),
        train(lambda: E.DNNLinearCombinedClassifier(dnn_feature_columns=deep)),
        train(lambda: E.LinearRegressor([fc.numeric_column("none")]), "number"),
        lambda: E.LinearClassifier(wide).train(
            lambda: tf.data.Dataset.from_tensors((data[0]["age"], data[1]["bit"]))
        ),
        lambda: next(E.LinearClassifier(wide, folder).predict(_data("bit"))),
    )
