"""How TensorFlow is started."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_START = """
import os
from transferkit.tensorflow_startup import start_tensorflow
start_tensorflow()
print(os.environ["TF_FORCE_GPU_ALLOW_GROWTH"])
"""


@pytest.mark.parametrize("said", [None, "false"])
def test_a_gpus_memory_is_taken_as_it_is_needed_unless_the_user_says_otherwise(said):
    environment = {name: value for name, value in os.environ.items() if name != "TF_FORCE_GPU_ALLOW_GROWTH"}
    if said:
        environment["TF_FORCE_GPU_ALLOW_GROWTH"] = said
    done = subprocess.run(
        [sys.executable, "-c", _START], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{said or 'true'}\n"
    assert done.stderr == ""
