"""What the report and the model card say of using an export is true of the export of a run."""

from __future__ import annotations

import csv
import html
import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image

import transferkit


def lines_of(page: str) -> str:
    """The Python lines of a report."""
    return html.unescape(re.search(r"<code>(import tensorflow as tf.*?)</code>", page, re.DOTALL)[1])


@pytest.mark.slow
@pytest.mark.parametrize("several", [False, True])
def test_the_python_lines_of_the_report_answer_as_the_run_does(several, shapes, tmp_path):
    data, recipe = shapes, "retrain"
    if several:
        recipe, data = "multi_label", tmp_path / "labels.csv"
        with open(data, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "labels"])
            for kind in ("circle", "cross"):
                for path in sorted((shapes / kind).iterdir()):
                    shutil.copy(path, tmp_path / f"{kind}{path.name}")
                    writer.writerow([f"{kind}{path.name}", kind if kind == "circle" else "cross|thin"])
    settings = ["epochs=3", "export.parity=false", "evaluation.grad_cam=0"]
    run = transferkit.retrain(
        recipe, data=data, run=tmp_path / "run", backbone="embedded", overrides=settings, quiet=True
    )
    photo = shapes / "cross" / "003.png"
    # As the lines name it; the first bytes say what it is, not the name.
    Image.open(photo).save(tmp_path / "photo.jpg", "PNG")
    lines = lines_of((run.path / "report.html").read_text("utf-8"))
    assert lines in (run.export_folder / "README.md").read_text("utf-8")
    done = subprocess.run(
        [sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    (prediction,) = run.predict([tmp_path / "photo.jpg"])
    said = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, *_ in said] == [name for name, _ in prediction.top]
    for (_, value, *mark), (name, probability) in zip(said, prediction.top, strict=True):
        assert float(value) == pytest.approx(probability, abs=1e-3)
        if several:
            assert mark == ["yes" if probability >= run.thresholds[name] else "no"]
