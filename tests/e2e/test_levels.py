"""A head over several levels, from photos to an export that answers the same."""

from __future__ import annotations

import json
import re

import pytest

import transferkit
from transferkit.errors import UserError


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    return transferkit.retrain(
        data=shapes,
        run=tmp_path_factory.mktemp("runs") / "levels",
        backbone="embedded",
        quiet=True,
        overrides=[("head.kind", "kernel"), ("head.features", "levels"), ("data.test", 0.3)],
    )


def test_it_learns_and_its_exports_agree(run):
    assert run.metrics["accuracy"] >= 0.8
    assert all(one["passed"] for one in json.loads((run.path / "parity.json").read_text())["artefacts"])
    found = json.loads((run.path / "head.json").read_text())
    assert found["levels"] == ["stage2", "stage3", "top"]
    assert found["branches"][0]["kind"] == "gaussian"


def test_it_is_restored_from_the_run_alone(run):
    assert run.evaluate(quiet=True).metrics["accuracy"] == pytest.approx(run.metrics["accuracy"])


def test_a_damaged_structure_is_said(run):
    file = run.path / "head.json"
    whole = file.read_text()
    file.write_text(whole[:20])
    try:
        with pytest.raises(UserError, match=r"head\.json"):
            run.evaluate(quiet=True)
    finally:
        file.write_text(whole)


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        (["head.features=['stage_2', 'top']", "head.kind=ridge"], "did you mean 'stage2'"),
        (["head.features=levels", "head.kind=ridge", "freeze={until='stage2'}"], "'all' where the head"),
        (["head.features=levels", "head.kind=linear"], "features"),
    ],
)
def test_what_cannot_be(shapes, tmp_path, overrides, part):
    with pytest.raises(UserError, match=part):
        transferkit.retrain(
            data=shapes, run=tmp_path / "run", backbone="embedded", quiet=True, overrides=overrides
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_auto_says_what_it_tried(shapes, tmp_path, capsys):
    run = transferkit.retrain(
        "auto",
        data=shapes,
        run=tmp_path / "auto",
        backbone="embedded",
        overrides=[("head.budget", "20s"), ("data.test", 0.3), ("export.parity", False)],
    )
    assert run.metrics["accuracy"] >= 0.8
    said = capsys.readouterr().err
    assert "head: " in said
    assert "cross-validated accuracy" in said
    found = json.loads((run.path / "head.json").read_text())
    report = (run.path / "report.html").read_text()
    splits = re.findall(r'<th scope="col">(train|val|test)</th>', report)
    assert splits[: len(set(splits))] == [one for one in ("train", "val", "test") if one in splits]
    assert "How the head was chosen" in report
    assert all(one["head"] in report for one in found["candidates"])
    assert found["budget"] == 20
    assert run.evaluate(quiet=True).metrics["accuracy"] == pytest.approx(run.metrics["accuracy"])


@pytest.mark.slow
def test_a_run_says_what_auto_would_give(shapes, tmp_path, capsys, monkeypatch):
    from transferkit.runs.results import suggest_head

    settings = [("epochs", 1), ("export.parity", False), ("evaluation.grad_cam", 0)]
    monkeypatch.setattr(suggest_head, "_SHARE", 2.0)
    monkeypatch.setattr(suggest_head, "_LEAST_SECONDS", 0.0)
    transferkit.retrain(data=shapes, run=tmp_path / "run", backbone="embedded", overrides=settings)
    (line,) = [one for one in capsys.readouterr().err.splitlines() if "head 'auto'" in one]
    assert f"transferkit retrain --recipe auto --backbone embedded --data {shapes}" in line
