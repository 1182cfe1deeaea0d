"""A head, a schedule and a recipe of the user's own, one file each, from the command line to an answer."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAD = '''
"""A head that looks at the features through random projections, and one layer on these."""

from pydantic import Field

from transferkit.heads import Head


class Projected(Head):
    width: int = Field(64, ge=1, description="random projections")

    def build(self, width, classes, seed):
        import keras

        draw = keras.initializers.GlorotUniform
        return keras.Sequential([
            keras.Input((width,)),
            keras.layers.Dense(self.width, activation="relu", kernel_initializer=draw(seed), trainable=False),
            keras.layers.Dense(classes, kernel_initializer=draw(seed + 1)),
        ])
'''
SCHEDULE = '''
"""Teeth of a saw: down evenly from the optimizer's rate, and up again at once."""

from pydantic import Field

from transferkit.schedules import Schedule


class Saw(Schedule):
    """>>> from transferkit.schedules import Span
    >>> [Saw(every=4).value(step, Span(0.1, 8, 4)) for step in range(5)]
    [0.1, 0.075, 0.05, 0.025, 0.1]
    """

    every: int = Field(10, ge=1, description="steps from tooth to tooth")

    def rate(self, step, span):
        return span.base * (1 - step % self.every / self.every)
'''
RECIPE = """
# Our own way.
extends = "retrain"
description = "Our own head under our own schedule"

epochs = 8
optimizer = { name = "adam", learning_rate = 1e-2 }

[schedule]
kind = "saw:Saw"
every = 5

[backbone]
name = "embedded"

[head]
kind = "projected:Projected"
width = 48

[export]
parity = false
"""


def transferkit(*arguments, cwd, code=0):
    # -I keeps the current folder off the path: what is found there, the command itself has found.
    done = subprocess.run(
        [sys.executable, "-I", "-m", "transferkit", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, timeout=300,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def place(tmp_path):
    """A folder with one file for each of the three, as a user would have it."""
    (tmp_path / "projected.py").write_text(HEAD)
    (tmp_path / "saw.py").write_text(SCHEDULE)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.toml").write_text(RECIPE)
    return tmp_path


def test_they_are_used_from_the_command_line(place, shapes, tmp_path_factory):
    assert "mine" in transferkit("recipes", "list", cwd=place)
    transferkit("retrain", "--recipe", "mine", "--data", shapes, "--run", "run", "--quiet", cwd=place)
    summary = json.loads((place / "run" / "metrics.json").read_text())
    assert summary["metrics"]["accuracy"] >= 0.75
    recipe = (place / "run" / "recipe.toml").read_text()
    assert "projected:Projected" in recipe
    assert "saw:Saw" in recipe
    # The export needs none of the three files.
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    image = shapes / "circle" / "000.png"
    answer = transferkit("predict", place / "run", image, "--format", "json", cwd=elsewhere)
    assert {one["label"] for one in json.loads(answer)["top"]} == {"circle", "cross", "square"}


def test_what_is_misspelt_in_them_is_said_like_in_ours(place):
    (place / "recipes" / "mine.toml").write_text(
        RECIPE.replace("width = 48", "wdth = 48").replace("every = 5", "every = 0")
    )
    said = transferkit("retrain", "--recipe", "mine", "--data", "nowhere", cwd=place, code=2)
    assert "did you mean 'width'" in said
    assert "schedule.every" in said
