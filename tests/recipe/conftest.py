"""A fresh Python, to see what an import brings along."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.fixture
def run_python():
    def run(code: str) -> str:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
