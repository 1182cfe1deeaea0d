"""The commands as a person types them, one after the other."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import pytest


def transferkit(*arguments, code: int = 0, cwd=None, env=None) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [sys.executable, "-m", "transferkit", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def made(shapes, tmp_path_factory):
    """A run made by the command, and what it said."""
    run = tmp_path_factory.mktemp("command") / "run"
    temporary = tmp_path_factory.mktemp("temporary")
    arguments = ["--backbone", "embedded", "--data", shapes, "--run", run, "--set", "epochs=4", "--json"]
    done = transferkit("retrain", *arguments, env=os.environ | {"TMPDIR": str(temporary)})
    assert not list(temporary.iterdir()), "a retraining leaves nothing in the temporary folder"
    return run, done


def test_results_go_to_stdout_and_progress_in_plain_lines_to_stderr(made):
    run, done = made
    summary = json.loads(done.stdout)
    assert summary["run"] == str(run)
    assert summary["metrics"]["accuracy"] > 0.5
    assert "\r" not in done.stderr
    assert "images: " in done.stderr
    assert "images/s" in done.stderr
    assert "steps/s" in done.stderr


def test_predict_prints_table_json_and_csv_and_goes_on_after_a_bad_file(made, shapes, tmp_path):
    run, _ = made
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "a.png").write_bytes((shapes / "circle" / "000.png").read_bytes())
    (folder / "b.jpg").write_text("no image")
    (folder / "c.png").write_bytes((shapes / "square" / "001.png").read_bytes())
    (folder / "notes.txt").write_text("not named like an image")

    table = transferkit("predict", run, folder, code=1)
    assert len(table.stdout.splitlines()) == 2
    assert "b.jpg" in table.stderr
    lines = transferkit("predict", run, folder, "--format", "json", "--top", 2, code=1).stdout.splitlines()
    answers = [json.loads(line) for line in lines]
    assert [answer["path"].rsplit("/", 1)[1] for answer in answers] == ["a.png", "c.png"]
    assert all(len(answer["top"]) == 2 and answer["label"] == answer["top"][0]["label"] for answer in answers)
    rows = list(
        csv.DictReader(
            transferkit("predict", run, folder / "a.png", "--format", "csv", "--long").stdout.splitlines()
        )
    )
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert sum(float(row["probability"]) for row in rows) == pytest.approx(1, abs=1e-4)
    named = transferkit("predict", run, tmp_path / "nothing.jpg", code=2)
    assert "nothing.jpg" in named.stderr


def test_a_missed_gate_exits_1_and_a_bad_one_2(made):
    run, _ = made
    missed = transferkit("evaluate", run, "--quiet", "--fail-under", "log_loss=0", code=1)
    assert missed.stderr.startswith("transferkit: gate log_loss: reached ")
    unknown = transferkit("evaluate", run, "--quiet", "--fail-under", "recall.star=0.5", code=2)
    assert "square" in unknown.stderr


def test_evaluate_and_export_print_what_they_made(made, tmp_path):
    run, _ = made
    metrics = json.loads(transferkit("evaluate", run, "--quiet", "--json").stdout)
    assert metrics["accuracy"] == json.loads((run / "metrics.json").read_text())["metrics"]["accuracy"]
    *table, exported = transferkit("export", run, "--to", tmp_path / "served").stdout.splitlines()
    assert exported == str(tmp_path / "served" / "1")
    assert table[0].split() == ["file", "size", "check", "same", "label", "max", "diff"]
    assert "SavedModel" in table[1]
    assert "passed" in table[1]
    assert max(map(len, table)) <= 80
    said = transferkit("evaluate", run, "--quiet", "--fail-under", "log_loss=1e-9", code=1)
    assert "accuracy" in said.stdout, "a missed gate leaves the figures"
    assert transferkit("predict", exported, run / "nowhere.png", code=2)


def test_what_is_no_run_is_said(tmp_path):
    for verb in ("evaluate", "export"):
        assert "metrics.json" in transferkit(verb, tmp_path, code=2).stderr
    assert "saved_model.pb" in transferkit("predict", tmp_path, tmp_path, code=2).stderr
