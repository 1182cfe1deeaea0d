"""Pre-made Estimators on replicas."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_two_replicas_train_as_one_device():
    command = [sys.executable, str(Path(__file__).with_name("mirrored.py"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    apart = json.loads(done.stdout.splitlines()[-1])
    assert {"dnn/logits/kernel", "linear/linear_model/town/weights", "auc"} <= set(apart)
    assert max(apart.values()) < 1e-5, apart
