"""Early stopping reads the evaluations' event files."""

from __future__ import annotations

import pytest

import transferkit.estimator as tke


class Tuned:
    """Evaluations written by hand: step -> loss."""

    def __init__(self, folder, losses):
        from transferkit.estimator.summaries import SummaryLog

        journal = SummaryLog(str(folder))
        for step, loss in losses.items():
            journal.scalars(step, {"loss": loss})
        journal.flush()


@pytest.mark.parametrize(
    ("make", "arguments", "stops"),
    [
        (tke.stop_if_no_decrease_hook, {"max_steps_without_decrease": 20}, True),
        (tke.stop_if_no_decrease_hook, {"max_steps_without_decrease": 21}, False),
        (tke.stop_if_no_decrease_hook, {"max_steps_without_decrease": 20, "min_steps": 21}, False),
        (tke.stop_if_no_increase_hook, {"max_steps_without_increase": 31}, False),
        (tke.stop_if_no_increase_hook, {"max_steps_without_increase": 10}, True),
        (tke.stop_if_lower_hook, {"threshold": 0.5}, True),
        (tke.stop_if_lower_hook, {"threshold": 0.3}, False),
        (tke.stop_if_higher_hook, {"threshold": 0.9}, True),
        (tke.stop_if_higher_hook, {"threshold": 0.9, "min_steps": 11}, False),
    ],
)
def test_each_hook_stops_when_it_says(make, arguments, stops, tf1_model, train_input, tmp_path):
    Tuned(tmp_path / "eval", {10: 1.0, 20: 0.4, 30: 0.6, 40: 0.7})
    estimator = tke.Estimator(tf1_model, str(tmp_path), params={})
    hook = make(estimator, "loss", run_every_secs=None, run_every_steps=1, **arguments)
    estimator.train(train_input, hooks=[hook], steps=3)
    assert estimator.get_variable_value("global_step") == (1 if stops else 3)


def test_early_stopping_within_train_and_evaluate(tf1_model, train_input, eval_input, tmp_path):
    config = tke.RunConfig(save_checkpoints_steps=2)
    estimator = tke.Estimator(tf1_model, str(tmp_path), config, {"learning_rate": 0.0})
    hook = tke.stop_if_no_decrease_hook(estimator, "loss", 4, run_every_secs=None, run_every_steps=1)
    metrics, _ = tke.train_and_evaluate(
        estimator,
        tke.TrainSpec(train_input, max_steps=40, hooks=[hook]),
        tke.EvalSpec(eval_input, steps=None, start_delay_secs=0, throttle_secs=0),
    )
    assert metrics["global_step"] == 7
    assert estimator.trace_counts == {"train": 1, "eval": 1}


def test_intervals_and_estimators_are_checked(tf1_model):
    estimator = tke.Estimator(tf1_model, params={})
    with pytest.raises(ValueError, match="run_every"):
        tke.make_early_stopping_hook(estimator, lambda: False, run_every_secs=1, run_every_steps=1)
    with pytest.raises(TypeError, match="Estimator"):
        tke.make_early_stopping_hook(object(), lambda: False)


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (tke.stop_if_no_decrease_hook, {"max_steps_without_decrease": 20}),
        (tke.stop_if_no_increase_hook, {"max_steps_without_increase": 20}),
        (tke.stop_if_lower_hook, {"threshold": 0.5}),
        (tke.stop_if_higher_hook, {"threshold": 0.9}),
    ],
)
def test_a_metric_that_no_evaluation_has_is_an_error(make, arguments, tf1_model, train_input, tmp_path):
    estimator = tke.Estimator(tf1_model, str(tmp_path), params={})
    hook = make(estimator, "loss_", run_every_secs=None, run_every_steps=1, **arguments)
    # Before the first evaluation nothing is known of its metrics.
    estimator.train(train_input, hooks=[hook], steps=1)
    Tuned(tmp_path / "eval", {10: 1.0, 20: 0.4})
    with pytest.raises(ValueError, match=r"'loss_', expected a metric of .*: loss; did you mean 'loss'"):
        estimator.train(train_input, hooks=[hook], steps=1)
