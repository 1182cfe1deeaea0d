"""Training divided over several devices gives the curve of one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("replicas.py")


def compared(count, folder, data, recipes, timeout=600):
    """What ``replicas.py`` says of each recipe."""
    wanted = [f"{name}={json.dumps(settings)}" for name, settings in recipes.items()]
    command = [sys.executable, str(SCRIPT), str(count), str(folder), str(data), *wanted]
    made = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert made.returncode == 0, made.stderr[-3000:]
    return [json.loads(line) for line in made.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def patches(noise_photos):
    return noise_photos({"even": 110, "odd": 150}, count=14, spread=40, size=32, between=20, seed=3)


def test_two_devices_give_the_curve_of_one(patches, tmp_path):
    # Batches of 5 in two parts of 3, the last one smaller; what is clipped is the whole gradient.
    settings = ["epochs=2", "batch_size=5", "head.dropout=0.0", "freeze={last=2}", "batch_norm=train"]
    settings += ["gradient_clipping=0.1", "export.parity=false", "evaluation.grad_cam=0", "ema=0.9"]
    (found,) = compared(2, tmp_path, patches, {"retrain": {"set": settings}})
    assert found["replicas"] == 2
    assert found["devices"] == ["CPU:0", "CPU:1"]
    assert found["rows"] > 4
    assert found["apart"] < 1e-5
    assert found["again"]
