"""The plotted rates are those that training has, and the picture is a picture."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from transferkit.cli import cli
from transferkit.errors import UserError
from transferkit.inspection.schedule import schedule_rates, write_rates

PIECEWISE = "schedule={kind='piecewise_constant', unit='epochs', boundaries=[1], values=[1e-2, 1e-4]}"


def test_the_rates_of_all_phases_step_by_step(tmp_path):
    text = f"phases=[{{name='a', epochs=2, batch_size=10, {PIECEWISE}}}, {{name='b', steps=3}}]"
    phases = schedule_rates(overrides=[text, "optimizer.learning_rate=0.5"], images=25)
    assert [one.name for one in phases] == ["a", "b"]
    assert phases[0].rates.tolist() == [1e-2] * 3 + [1e-4] * 3
    assert phases[1].rates.tolist() == [0.5] * 3
    picture, table = write_rates(phases, tmp_path / "out" / "rates.png", "rates")
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["learning_rate"]) for row in rows] == [*phases[0].rates, *phases[1].rates]
    assert [int(row["step"]) for row in rows] == list(range(9))
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    assert pixels.std() > 5, "an empty picture"


def test_epochs_need_the_number_of_images():
    with pytest.raises(UserError, match="--images N"):
        schedule_rates()
    assert len(schedule_rates(overrides=["steps=7"])[0].rates) == 7


def test_a_schedule_that_reaches_beyond_its_phase_is_refused():
    with pytest.raises(UserError, match="less than the"):
        schedule_rates(overrides=["steps=7", PIECEWISE], images=1000)


def test_the_command_writes_picture_and_numbers(tmp_path):
    picture = tmp_path / "rates.png"
    arguments = ["schedule", "plot", "--recipe", "gradual_unfreeze", "--images", "100", "--to", str(picture)]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert "head" in done.output
    assert picture.exists()
    assert picture.with_suffix(".csv").exists()
    facts = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).stdout)
    assert [one["phase"] for one in facts] == ["head", "top", "all"]
