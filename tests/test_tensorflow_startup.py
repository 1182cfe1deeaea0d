"""How TensorFlow is started."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref

import pytest

from transferkit.tensorflow_startup import loading

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


def test_garbage_of_a_first_run_does_not_stay_with_what_a_second_one_loads():
    class Node:
        pass

    node = Node()
    node.itself = node
    alive = weakref.ref(node)
    with loading():
        del node
    gc.collect()
    assert alive() is None
