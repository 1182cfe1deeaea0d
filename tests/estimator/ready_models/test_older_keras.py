"""Models and optimizers of tf_keras work behind an Estimator, as in programs that still use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_models_and_optimizers_of_the_older_keras(tmp_path):
    pytest.importorskip("tf_keras", reason="tf_keras is not installed")
    script = str(Path(__file__).with_name("older_keras.py"))
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-W", "ignore", script, str(tmp_path / "model")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    model, of_file, optimizers, of_code, overridden, two_outputs = json.loads(done.stdout.splitlines()[-1])
    for name in ("loss", "mae"):
        alone, found = model[name]
        assert found == pytest.approx(alone, rel=1e-5)
    assert (model["step"], model["untouched"]) == (3, 1.0)
    assert model["predicted"][0] == pytest.approx(model["predicted"][1], rel=1e-5)
    assert 0 < of_file < 1
    assert optimizers["older"][0] == 2
    assert optimizers["older"] == pytest.approx(optimizers["own"], rel=1e-6)
    assert optimizers["new"] == pytest.approx(optimizers["own"], rel=1e-6)
    # With the kernel of ones the loss begins at the mean of x², 0.43.
    assert 0 < of_code[0] < 0.42
    assert of_code[1] == ["output_1"]
    given, plain = overridden[0]
    assert given == pytest.approx(plain, rel=1e-6)
    assert overridden[1] == [
        "training/SGD/decay",
        "training/SGD/learning_rate",
        "training/SGD/linear/linear_model/bias_weights/momentum",
        "training/SGD/linear/linear_model/x/weights/momentum",
        "training/SGD/momentum",
    ]
    for found, alone in two_outputs:
        assert found == pytest.approx(alone, rel=1e-5)
