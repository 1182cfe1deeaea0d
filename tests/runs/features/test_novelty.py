"""None of these: a run that tells photos of another kind, in its export as in itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import transferkit
from transferkit.cli import main
from transferkit.runs.prediction.exported import Exported

# Three retrainings; the score itself has quick tests in tests/evaluation/test_novelty.py.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def knowing(photos, strange, tmp_path_factory):
    return transferkit.retrain(
        data=photos,
        backbone="embedded",
        run=tmp_path_factory.mktemp("runs") / "knowing",
        epochs=1,
        overrides=[
            "evaluation.false_alarms=0.2",
            "evaluation.resamples=20",
            "export.parity=4",
            "data.validation=0.4",
            "data.test=0.2",
            ("evaluation.other_data", [str(strange), str(photos / "dark")]),
        ],
        quiet=True,
    )


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    """Stripes of two colours, unlike any photo of noise."""
    folder = tmp_path_factory.mktemp("strange")
    for number in range(6):
        pixels = np.zeros((24, 24, 3), np.uint8)
        pixels[:, :: 2 + number] = (255, 40 * number, 0)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_strange_photos_are_unknown_and_most_known_ones_are_not(knowing, photos, strange):
    assert all(one.unknown and one.novelty > 1 for one in knowing.predict(strange))
    known = knowing.predict(photos)
    assert np.mean([one.unknown for one in known]) <= 0.3
    assert knowing.novelty.found
    assert set(knowing.novelty.left_out) == {"dark", "grey", "light"}
    assert all(value > 0.8 for value in knowing.novelty.left_out.values())
    assert 0 <= knowing.novelty.measured <= 1
    # The second place has photos of the run itself, which say nothing.
    assert list(knowing.novelty.other) == [str(strange)]
    assert knowing.novelty.other[str(strange)].photos == 6
    assert knowing.novelty.other[str(strange)].area == knowing.novelty.other[str(strange)].unknown == 1
    assert f"against {strange}: 1.00 (6 photos, 100.0% of them rejected)" in knowing.describe()
    assert "unknown photos" in knowing.describe()
    assert "Unknown photos" in (knowing.path / "report.html").read_text("utf-8")


def test_the_export_s_scores_were_compared_with_the_model_s(knowing):
    (finding,) = json.loads((knowing.path / "parity.json").read_text())["artefacts"]
    assert {"novelty", "unknown"} <= set(finding["outputs"]["serving_default"])
    assert finding["passed"]


def test_every_engine_gives_the_same_scores(knowing, photos, strange):
    exported = Exported(knowing.export_folder)
    files = [*sorted(strange.iterdir()), *sorted((photos / "dark").iterdir())[:4]]
    plain = [one.novelty for one in exported.predict(files, engine="saved_model")]
    fast = [one.novelty for one in exported.predict(files, engine="tensorflow")]
    np.testing.assert_allclose(fast, plain, rtol=5e-3)


def test_a_run_made_again_exports_the_same_scores(knowing, strange, tmp_path):
    version = knowing.export(tmp_path / "again", parity=4)
    files = sorted(strange.iterdir())
    again = [one.novelty for one in Exported(version).predict(files)]
    np.testing.assert_allclose(again, [one.novelty for one in knowing.predict(files)], rtol=1e-4)


def test_predict_says_so_in_each_form(knowing, strange, capsys):
    file = str(strange / "1.png")
    said = {}
    for form in ("table", "json", "csv"):
        with pytest.raises(SystemExit) as ended:
            main(["predict", str(knowing.path), file, "--format", form])
        assert ended.value.code == 0
        said[form] = capsys.readouterr().out
    assert f"{file}  unknown: " in said["table"]
    assert json.loads(said["json"])["unknown"] is True
    header, row = (line.split(",") for line in said["csv"].splitlines())
    assert row[header.index("unknown")] == "true"
    assert float(row[header.index("novelty")]) > 1


def test_a_run_that_was_not_asked_says_nothing(run, strange):
    (one, *_) = run.predict(strange)
    assert one.novelty is None
    assert not one.unknown
    assert run.novelty.describe() is None
