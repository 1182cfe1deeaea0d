"""train_and_evaluate, exporters, warm start and added metrics."""

from __future__ import annotations

import glob
import os
from typing import Any

import tensorflow as tf

from conformance.catalogue import errors_of, event_tags, four, linear, number, shows

v1 = tf.compat.v1


def _receiver(E: Any) -> Any:
    return E.build_raw_serving_input_receiver_fn({"x": tf.zeros([1, 1])})


def _exports(folder: str, name: str) -> int:
    return len(
        [p for p in glob.glob(os.path.join(folder, "export", name, "*")) if os.path.basename(p).isdigit()]
    )


def _run(E: Any, folder: str, steps: int = 6, exporters: Any = None, every: int = 2, **more: Any) -> Any:
    made = E.Estimator(linear(E, **more), folder, E.RunConfig(save_checkpoints_steps=every))
    train = E.TrainSpec(four(), max_steps=steps)
    evaluate = E.EvalSpec(four(), steps=1, exporters=exporters, start_delay_secs=0, throttle_secs=0)
    return E.train_and_evaluate(made, train, evaluate)


@shows("train_and_evaluate", "what it returns")
def _(E: Any, folder: str) -> Any:
    result = _run(E, folder)
    metrics, exports = result
    return [{name: number(value) for name, value in sorted(metrics.items())}, list(exports)]


@shows("train_and_evaluate", "it evaluates at each checkpoint, throttled by time")
def _(E: Any, folder: str) -> Any:
    _run(E, folder + "/often")
    made = E.Estimator(linear(E), folder + "/seldom", E.RunConfig(save_checkpoints_steps=2))
    spec = E.EvalSpec(four(), steps=1, throttle_secs=600)
    E.train_and_evaluate(made, E.TrainSpec(four(), max_steps=6), spec)
    return [event_tags(folder + place + "/eval").get("loss") for place in ("/often", "/seldom")]


@shows("train_and_evaluate", "a second run that has nothing to do")
def _(E: Any, folder: str) -> Any:
    _run(E, folder)
    result = _run(E, folder)
    return "nothing" if result is None or result[0] is None else sorted(result[0])


@shows("train_and_evaluate", "the end of the data ends it")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    train = E.TrainSpec(four(repeat=False, size=1), max_steps=100)
    result = E.train_and_evaluate(made, train, E.EvalSpec(four(), steps=1, throttle_secs=0))
    return int(result[0]["global_step"])


@shows("train_and_evaluate", "the name of the evaluation is in its folder")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    spec = E.EvalSpec(four(), steps=1, name="held")
    E.train_and_evaluate(made, E.TrainSpec(four(), max_steps=2), spec)
    return sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name)))


@shows("train_and_evaluate", "objects of the wrong type are refused")
def _(E: Any, folder: str) -> Any:
    made = E.Estimator(linear(E), folder)
    train, evaluate = E.TrainSpec(four(), max_steps=1), E.EvalSpec(four())
    return errors_of(
        lambda: E.train_and_evaluate(1, train, evaluate),
        lambda: E.train_and_evaluate(made, 1, evaluate),
        lambda: E.train_and_evaluate(made, train, 1),
    )


@shows("TrainSpec", "what it accepts and refuses")
def _(E: Any, folder: str) -> Any:
    made = E.TrainSpec(four())
    return [
        list(made._fields),
        made.max_steps,
        made.hooks,
        errors_of(
            lambda: E.TrainSpec(1),
            lambda: E.TrainSpec(four(), max_steps=0),
            lambda: E.TrainSpec(four(), hooks=[1]),
        ),
    ]


@shows("EvalSpec", "what it accepts and refuses")
def _(E: Any, folder: str) -> Any:
    made = E.EvalSpec(four())
    one = E.FinalExporter("one", _receiver(E))
    return [
        list(made._fields),
        [made.steps, made.name, made.hooks, made.exporters, made.start_delay_secs, made.throttle_secs],
        errors_of(
            lambda: E.EvalSpec(1),
            lambda: E.EvalSpec(four(), steps=0),
            lambda: E.EvalSpec(four(), name=1),
            lambda: E.EvalSpec(four(), hooks=[1]),
            lambda: E.EvalSpec(four(), exporters=[1]),
            lambda: E.EvalSpec(four(), exporters=[one, one]),
            lambda: E.EvalSpec(four(), exporters=one),
            lambda: E.EvalSpec(four(), start_delay_secs=-1),
            lambda: E.EvalSpec(four(), throttle_secs=-1),
            lambda: E.EvalSpec(four(), steps=None),
        ),
    ]


@shows("exporters", "FinalExporter exports once, LatestExporter keeps the newest")
def _(E: Any, folder: str) -> Any:
    exporters = [
        E.FinalExporter("final", _receiver(E)),
        E.LatestExporter("latest", _receiver(E), exports_to_keep=2),
    ]
    result = _run(E, folder, steps=8, exporters=exporters)
    found = [_exports(folder, name) for name in ("final", "latest")]
    kinds = [type(one).__name__ for one in result[1]]
    return [[one.name for one in exporters], found, len(kinds)]


def _restarted(E: Any, folder: str, **given: Any) -> list[int]:
    """Exports after a first run, and after a second one in which nothing is better."""

    def never(best_eval_result: Any, current_eval_result: Any) -> bool:
        return False

    _run(E, folder, steps=4, exporters=[E.BestExporter("best", _receiver(E), **given)])
    first = _exports(folder, "best")
    _run(E, folder, steps=8, exporters=[E.BestExporter("best", _receiver(E), compare_fn=never, **given)])
    return [first, _exports(folder, "best")]


@shows("exporters", "BestExporter exports what is better, and keeps as many as it may")
def _(E: Any, folder: str) -> Any:
    _run(E, folder, steps=8, exporters=[E.BestExporter("best", _receiver(E), exports_to_keep=3)])
    return _exports(folder, "best")


@shows("exporters", "BestExporter knows its best after a restart by the event files")
def _(E: Any, folder: str) -> Any:
    return _restarted(E, folder, event_file_pattern="eval/*.tfevents.*")


@shows("exporters", "BestExporter knows its best after a restart without being told of event files")
def _(E: Any, folder: str) -> Any:
    return _restarted(E, folder)


@shows("exporters", "what is refused")
def _(E: Any, folder: str) -> Any:
    receive = _receiver(E)
    return errors_of(
        lambda: E.LatestExporter("a", receive, exports_to_keep=0),
        lambda: E.BestExporter("a", receive, exports_to_keep=0),
        lambda: E.BestExporter("a", receive, compare_fn=None),
        lambda: E.BestExporter("a", receive, compare_fn=lambda one, other: True),
        lambda: E.BestExporter("a", None),
    )


@shows("warm start", "from another model's folder: its weights, and a step of its own")
def _(E: Any, folder: str) -> Any:
    E.Estimator(linear(E), folder + "/old").train(four(), steps=5)
    made = E.Estimator(linear(E), folder + "/new", warm_start_from=folder + "/old")
    made.train(four(), steps=1)
    return [number(made.get_variable_value("weight"), 5), int(made.get_variable_value("global_step"))]


@shows("warm start", "not again once the model has a checkpoint of its own")
def _(E: Any, folder: str) -> Any:
    E.Estimator(linear(E), folder + "/old").train(four(), steps=5)
    E.Estimator(linear(E), folder + "/new").train(four(), steps=1)
    made = E.Estimator(linear(E), folder + "/new", warm_start_from=folder + "/old")
    return number(made.train(four(), steps=1).get_variable_value("weight"), 5)


@shows("warm start", "by a pattern, by a list of names, by other names")
def _(E: Any, folder: str) -> Any:
    def other(features: Any, labels: Any, mode: str) -> Any:
        value = v1.get_variable("bias", [1], initializer=v1.zeros_initializer())
        renamed = v1.get_variable("renamed", [1, 1], initializer=v1.zeros_initializer())
        train_op = v1.assign_add(v1.train.get_global_step(), 1)
        return E.EstimatorSpec(mode, loss=tf.reduce_sum(renamed) + value, train_op=train_op)

    E.Estimator(linear(E), folder + "/old").train(four(), steps=5)
    cases = (
        {"vars_to_warm_start": "bias"},
        {"vars_to_warm_start": ["bias"]},
        {"vars_to_warm_start": ".*", "var_name_to_prev_var_name": {"renamed": "weight"}},
        {"vars_to_warm_start": "renamed", "var_name_to_prev_var_name": {"renamed": "weight"}},
    )
    seen = []
    for place, case in enumerate(cases):
        settings = E.WarmStartSettings(ckpt_to_initialize_from=folder + "/old", **case)
        made = E.Estimator(other, f"{folder}/{place}", warm_start_from=settings)
        made.train(four(), steps=1)
        seen.append([number(made.get_variable_value(name), 5) for name in ("bias", "renamed")])
    return seen


@shows("warm start", "what is refused")
def _(E: Any, folder: str) -> Any:
    return errors_of(
        lambda: E.Estimator(linear(E), folder, warm_start_from=1),
        lambda: E.WarmStartSettings(ckpt_to_initialize_from=None),
        lambda: E.Estimator(linear(E), folder, warm_start_from=folder + "/no").train(four(), steps=1),
    )


@shows("add_metrics", "further metrics beside the model's own, found by name")
def _(E: Any, folder: str) -> Any:
    def more(labels: Any, predictions: Any, features: Any) -> Any:
        error = tf.abs(labels - predictions["value"])
        return {"worst": v1.metrics.mean(tf.reduce_max(error)), "x": v1.metrics.mean(features["x"])}

    made = E.add_metrics(E.Estimator(linear(E), folder), more)
    made.train(four(), steps=2)
    result = made.evaluate(four(), steps=1)
    return {name: number(value) for name, value in sorted(result.items())}


@shows("add_metrics", "Keras metrics, and what is refused")
def _(E: Any, folder: str) -> Any:
    def more(predictions: Any) -> Any:
        mean = tf.keras.metrics.Mean(name="mean")
        mean.update_state(predictions["twice"])
        return {"mean": mean}

    made = E.add_metrics(E.Estimator(linear(E), folder), more)
    result = made.train(four(), steps=2).evaluate(four(), steps=1)
    wrong = errors_of(lambda: E.add_metrics(made, lambda other: {}), lambda: E.add_metrics(1, more))
    return [number(result["mean"]), wrong]


@shows("add_metrics", "the warm start stays")
def _(E: Any, folder: str) -> Any:
    E.Estimator(linear(E), folder + "/old").train(four(), steps=5)
    warm = E.Estimator(linear(E), folder + "/new", warm_start_from=folder + "/old")
    made = E.add_metrics(warm, lambda predictions: {"mean": v1.metrics.mean(predictions["value"])})
    made.train(four(), steps=1)
    return [number(made.get_variable_value("weight"), 5), int(made.get_variable_value("global_step"))]


_NAMES = (
    "BestExporter",
    "CheckpointSaverHook",
    "CheckpointSaverListener",
    "Estimator",
    "EstimatorSpec",
    "EvalSpec",
    "Exporter",
    "FeedFnHook",
    "FinalExporter",
    "FinalOpsHook",
    "GlobalStepWaiterHook",
    "LatestExporter",
    "LoggingTensorHook",
    "ModeKeys",
    "NanLossDuringTrainingError",
    "NanTensorHook",
    "ProfilerHook",
    "RunConfig",
    "SecondOrStepTimer",
    "SessionRunArgs",
    "SessionRunContext",
    "SessionRunHook",
    "SessionRunValues",
    "StepCounterHook",
    "StopAtStepHook",
    "SummarySaverHook",
    "TrainSpec",
    "VocabInfo",
    "WarmStartSettings",
    "add_metrics",
    "train_and_evaluate",
    "export.ClassificationOutput",
    "export.EvalOutput",
    "export.ExportOutput",
    "export.PredictOutput",
    "export.RegressionOutput",
    "export.ServingInputReceiver",
    "export.TensorServingInputReceiver",
    "export.build_parsing_serving_input_receiver_fn",
    "export.build_raw_serving_input_receiver_fn",
    "experimental.make_early_stopping_hook",
    "experimental.make_stop_at_checkpoint_step_hook",
    "experimental.stop_if_higher_hook",
    "experimental.stop_if_lower_hook",
    "experimental.stop_if_no_decrease_hook",
    "experimental.stop_if_no_increase_hook",
    "experimental.InMemoryEvaluatorHook",
)


@shows("names", "which public names are not where tf.estimator has them")
def _(E: Any, folder: str) -> Any:
    missing = []
    for name in _NAMES:
        place = E._places[0]
        for part in name.split("."):
            place = getattr(place, part, None)
        if place is None:
            missing.append(name)
    return missing
