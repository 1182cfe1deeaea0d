"""Habits of old programs: vocabularies, iterators that hooks initialize, metrics taken apart."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from conformance.catalogue import X, Y, errors_of, four, linear, number, shows

v1 = tf.compat.v1


def _table(E: Any, folder: str, rows: Any, settings: Any = None) -> Any:
    """A trained Estimator of one matrix, which begins with ``rows`` or with zeros of that shape."""

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        shape = rows if isinstance(rows[0], int) else [len(rows), len(rows[0])]
        first = v1.zeros_initializer() if shape is rows else v1.constant_initializer(rows)
        table = v1.get_variable("table", shape, initializer=first)
        train_op = v1.assign_add(v1.train.get_global_step(), 1)
        return E.EstimatorSpec(mode, loss=tf.reduce_sum(table), train_op=train_op)

    made = E.Estimator(model_fn, folder, warm_start_from=settings).train(four(), steps=1)
    return number(made.get_variable_value("table"), 5)


def _words(folder: str) -> tuple[str, str]:
    for name, words in (("old", "sun\nmoon\nstar\n"), ("new", "star\ncomet\nsun\nplanet\n")):
        with open(f"{folder}/{name}.txt", "w") as file:
            file.write(words)
    return f"{folder}/new.txt", f"{folder}/old.txt"


@shows("warm start", "rows and columns by a vocabulary, in part, with buckets and a first value of its own")
def _(E: Any, folder: str) -> Any:
    new, old = _words(folder)
    rows = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]
    _table(E, folder + "/start", rows)
    ones = v1.ones_initializer()
    cases = (
        ([5, 3], E.VocabInfo(new, 4, 1, old)),
        ([5, 3], E.VocabInfo(new, 3, 2, old, backup_initializer=ones)),
        ([4, 3], E.VocabInfo(new, 4, 0, old, old_vocab_size=2)),
        ([3, 4], E.VocabInfo(new, 4, 0, old, backup_initializer=ones, axis=1)),
    )
    seen = []
    for place, (shape, info) in enumerate(cases):
        for pattern in (".*", None):
            settings = E.WarmStartSettings(folder + "/start", pattern, {"table": info})
            seen.append(_table(E, f"{folder}/{place}{pattern}", shape, settings))
    return seen


@shows("warm start", "names of vocabularies and weights that no variable has")
def _(E: Any, folder: str) -> Any:
    new, old = _words(folder)
    _table(E, folder + "/start", [[1.0], [2.0], [3.0]])
    info = E.VocabInfo(new, 4, 0, old)

    def start(*settings: Any, **named: Any) -> Any:
        made = E.WarmStartSettings(folder + "/start", *settings, **named)
        return lambda: _table(E, folder + "/new", [4, 1], made)

    return errors_of(
        start(".*", {"tables": info}),
        start(".*", {"table": info}, {"other": "table"}),
        start("other", {"table": info}),
        lambda: E.VocabInfo(new, 4, 0, old, axis=2),
    )


@shows("warm start", "from a checkpoint of tf.train.Checkpoint")
def _(E: Any, folder: str) -> Any:
    with tf.init_scope():
        held = tf.train.Checkpoint(mine=tf.Variable([[3.0], [4.0]], name="table"))
        path = held.save(folder + "/objects/ckpt")
    return _table(E, folder + "/new", [2, 1], E.WarmStartSettings(path))


class _Initialize(v1.train.SessionRunHook):
    """Runs what the input_fn has told it."""

    run: Any = None

    def after_create_session(self, session: Any, coord: Any) -> None:
        self.run(session)


@shows("hooks", "an iterator of the input_fn is initialized with fed arrays")
def _(E: Any, folder: str) -> Any:
    def fed(scale: float) -> dict[str, Any]:
        hook = _Initialize()

        def input_fn() -> Any:
            given = [v1.placeholder(tf.float32, [None, 1]) for _ in range(2)]
            data = v1.data.Dataset.from_tensor_slices(tuple(given)).repeat().batch(4)
            iterator = v1.data.make_initializable_iterator(data)
            values = dict(zip(given, (X, scale * Y), strict=True))
            hook.run = lambda session: session.run(iterator.initializer, values)
            features, labels = iterator.get_next()
            return {"x": features}, labels

        return {"input_fn": input_fn, "hooks": [hook]}

    made = E.Estimator(linear(E), folder)
    seen = [number(made.train(**fed(scale), steps=3).get_variable_value("weight")) for scale in (1, 2)]
    metrics = made.evaluate(**fed(1), steps=2)
    return [*seen, number(metrics["loss"]), number(next(made.predict(**fed(1)))["value"])]


@shows("evaluate", "a nested metric")
def _(E: Any, folder: str) -> Any:
    def nested(loss: Any, mode: str) -> Any:
        return {"parts": (((tf.constant(3.0), tf.constant(1)), tf.constant(2.0)), tf.no_op())}

    made = E.Estimator(linear(E, eval_metric_ops=nested), folder).train(four(), steps=1)
    (three, one), two = made.evaluate(four(), steps=1)["parts"]
    return [number(three), int(one), float(two)]


@shows("listeners", "without checkpoints they are refused")
def _(E: Any, folder: str) -> Any:
    config = E.RunConfig(save_checkpoints_steps=None, save_checkpoints_secs=None)
    made, listener = E.Estimator(linear(E), folder, config), v1.train.CheckpointSaverListener()
    return errors_of(
        lambda: made.train(four(), steps=1, saving_listeners=[listener]),
        lambda: E.TrainSpec(four(), saving_listeners=[1]),
    )
