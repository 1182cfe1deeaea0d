"""What the workflow does on a fresh machine, in one process: a run by the defaults alone."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from transferkit.cli import cli

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("fresh_machine", ROOT / ".ci" / "fresh_machine.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_run_that_names_nothing_but_its_photos(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # No cache of Keras and no network: all that it needs was installed.
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    script.write_photos(Path("photos"))
    retrain, predict = script.COMMANDS
    assert not {"--backbone", "--recipe"} & {*retrain, *predict}
    done = CliRunner().invoke(cli, retrain)
    assert done.exit_code == 0, done.output
    assert "instead of" not in done.stderr
    said = CliRunner().invoke(cli, predict)
    assert said.exit_code == 0, said.output
    assert said.stdout.count("stripes") > 25
    script.check(tmp_path)
    assert not (tmp_path / "keras" / "models").exists()


def test_the_workflow_runs_it_with_what_was_installed():
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
    job = re.search(r"^  fresh-machine:\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    assert job
    assert re.search(r"pip install .*\.\n", job[1])
    assert ".ci/fresh_machine.py" in job[1]
    assert "working-directory: ${{ runner.temp }}" in job[1], "not beside the checkout's own package"
