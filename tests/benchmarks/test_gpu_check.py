"""The check of a machine with a GPU does its work on a CPU, and says which part failed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_check.py"


@pytest.mark.slow
def test_every_part_has_its_figures(noise_photos, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for split, seed in (("train", 0), ("val", 1)):
        made = noise_photos({"even": 110, "odd": 150}, count=8, spread=40, size=32, seed=seed)
        shutil.copytree(made, photos / split)
    command = [sys.executable, str(SCRIPT), "--data", str(photos), "--weights", "random", "--epochs", "1"]
    command += ["--batch", "8", "--json", str(tmp_path / "found.json")]
    made = subprocess.run(command, capture_output=True, text=True, timeout=1500)
    assert made.returncode == 0, made.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    rows = found["rows"]
    assert [row for row in rows if row["side"] == "failed"] == []
    assert {row["part"] for row in rows} == {"doctor", "retraining", "engines", "parity"}
    timed = [row["side"] for row in rows if row["part"] == "retraining"]
    assert timed == ["keras fit", "transferkit, cold", "transferkit, warm"]
    apart = {row["side"]: row["apart"] for row in rows if row["part"] == "engines" and "apart" in row}
    assert apart["tensorflow, float32"] < 1e-3
    assert {row["side"] for row in rows if row["part"] == "parity"} == {"saved_model", "tflite"}
    assert found["doctor"]["works"]
    assert found["computed_on"]["strategy"] == "cpu"
