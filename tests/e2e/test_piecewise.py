"""The piecewise schedule's values reach every update exactly: across phases, a kill, loops in the graph."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf

import transferkit
from transferkit.estimator.loops import training
from transferkit.estimator.loops.signals import Termination
from transferkit.inspection.schedule import schedule_rates
from transferkit.recipe import load
from transferkit.training import loop as train_module
from transferkit.training import phase as phase_module

PHASES = (
    "phases=[{name='a', epochs=3, schedule={kind='piecewise_constant', unit='epochs', boundaries=[1, 2], "
    "values=[1e-2, 3e-3, 1e-3]}}, {name='b', steps=12, optimizer_state='carry', "
    "schedule={kind='piecewise_constant', boundaries=[3, 7], values=[7e-4, 1e-4, 3e-5]}}]"
)
SETTINGS = [
    PHASES,
    "export.parity=false",
    "data.test=0.2",
    "data.validation=0.2",
    "batch_size=16",
    "early_stopping=false",
]


class Recorder:
    """Notes the rate of every update that an optimizer makes, in the graph, where the update takes it."""

    def __init__(self, kill_at: tuple[str, int] | None):
        self.seen: list[tuple[str, int, float]] = []
        self.kill_at = kill_at
        self.listening: Termination | None = None

    def listen(self) -> Termination:
        """What training listens with. A signal to oneself would end the test's process if it came late."""
        self.listening = Termination()
        return self.listening

    def watch(self, optimizer, phase: str):
        def note(step, rate):
            self.seen.append((phase, int(step), float(rate)))
            if self.kill_at == (phase, int(step)):
                self.kill_at = None
                self.listening.asked = True
            return rate

        class Recorded(type(optimizer)):
            def update_step(self, gradient, variable, learning_rate):
                if self._get_variable_index(variable) == 0:
                    # The update takes what was noted, so that the graph cannot leave the noting out.
                    noted = tf.numpy_function(note, [self._iterations.value, learning_rate], tf.float32)
                    learning_rate = tf.reshape(noted, [])
                super().update_step(gradient, variable, learning_rate)

        optimizer.__class__ = Recorded
        return optimizer


@pytest.mark.slow
@pytest.mark.parametrize("per_loop", [1, 4])
def test_every_update_of_every_phase_has_the_schedules_own_value(shapes, tmp_path, monkeypatch, per_loop):
    recorder = Recorder(kill_at=("b", 5))
    build = train_module.build_optimizer

    def recorded(phase, *rest):
        optimizer, rate = build(phase, *rest)
        return recorder.watch(optimizer, phase.name), rate

    monkeypatch.setattr(train_module, "build_optimizer", recorded)
    monkeypatch.setattr(training, "Termination", recorder.listen)
    config = functools.partial(phase_module.RunConfig, steps_per_loop=per_loop)
    monkeypatch.setattr(phase_module, "RunConfig", config)
    with pytest.raises(SystemExit):
        transferkit.retrain(
            "retrain",
            data=shapes,
            run=tmp_path / "run",
            backbone="embedded",
            quiet=True,
            overrides=SETTINGS,
        )
    before = len(recorder.seen)
    run = transferkit.retrain(run=tmp_path / "run", resume=True, quiet=True)

    assert 21 <= before < 27, "the kill came in the midst of the second phase"
    count = run.summary["images"]["train"]
    wanted = [
        (phase.name, step, float(np.float32(rate)))
        for phase in schedule_rates(run.path / "recipe.toml", images=count)
        for step, rate in enumerate(phase.rates)
    ]
    assert len(wanted) == 27
    assert recorder.seen == wanted
    assert {rate for _, _, rate in wanted} == {
        float(np.float32(rate))
        for phase in load(overrides=[PHASES]).resolved_phases
        for rate in phase.schedule.options["values"]
    }
