"""The score of what is unlike the training photos, in every format that holds it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import transferkit
from transferkit.runs.prediction.exported import Exported

pytestmark = pytest.mark.slow
HOLDING = ("keras", "tflite", "tflite_float16")


@pytest.fixture(scope="module")
def knowing(noise_photos, tmp_path_factory):
    photos = noise_photos({"dark": 40, "grey": 120, "light": 210}, 14, 20, between=6)
    run = transferkit.retrain(
        data=photos,
        backbone="embedded",
        head="ridge",
        run=tmp_path_factory.mktemp("runs") / "knowing",
        overrides=[
            "evaluation.false_alarms=0.2",
            "evaluation.resamples=20",
            "evaluation.grad_cam=0",
            "export.parity=4",
            "data.validation=0.4",
            ("export.formats", ["saved_model", *HOLDING, "tflite_dynamic"]),
        ],
        quiet=True,
    )
    return run, sorted(map(str, photos.rglob("*.png")))[:8]


def test_each_format_gives_the_scores_of_the_saved_model_and_was_checked(knowing):
    run, files = knowing
    wanted = [one.novelty for one in run.predict(files)]
    version = run.export_folder
    for name in HOLDING:
        from transferkit.export.formats import load_format

        found = Exported(version / load_format(name).FILE)
        assert found.scores
        given = [one.novelty for one in found.predict(files)]
        np.testing.assert_allclose(given, wanted, atol=2e-2 if name.endswith("16") else 1e-3)
    artefacts = json.loads((run.path / "parity.json").read_text())["artefacts"]
    outputs = {one["format"]: one["outputs"] for one in artefacts}
    for name in HOLDING:
        (named,) = outputs[name].values()
        assert named == ["novelty", "probabilities"]


def test_what_is_too_coarse_for_it_says_nothing(knowing):
    run, files = knowing
    found = Exported(run.export_folder / "model_dynamic.tflite")
    assert not found.scores
    assert found.about.false_alarms is None
    assert all(one.novelty is None for one in found.predict(files))


@pytest.mark.extra
def test_onnx_holds_it_where_it_is_installed(knowing, tmp_path):
    for package in ("onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(package, reason="needs transferkit[onnx]")
    run, files = knowing
    version = run.export(tmp_path, formats=["onnx"], parity=4)
    given = [one.novelty for one in Exported(version / "model.onnx").predict(files)]
    np.testing.assert_allclose(given, [one.novelty for one in run.predict(files)], rtol=1e-3)
