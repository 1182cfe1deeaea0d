"""Every kind of head in every format answers as the model does, or is refused with figures."""

from __future__ import annotations

import json

import pytest

import transferkit
from transferkit.evaluation.gates import GateError
from transferkit.packages import installed

pytestmark = pytest.mark.slow

EXACT = ["keras", "tflite", "tflite_float16", *(["onnx"] if installed("tf2onnx") else [])]
HEADS = {
    "auto": {"kind": "auto", "budget": 5},
    "logistic": {"kind": "logistic", "features": "levels"},
    "ridge": {"kind": "ridge", "features": "levels"},
    "gaussian": {"kind": "kernel", "features": "levels"},
    "arc_cosine": {"kind": "kernel", "kernel": "arc_cosine", "features": "all"},
    "relu": {"kind": "random_features", "units": 200, "features": "levels"},
    "joined": {"kind": "kernel", "features": "levels"},
}
JOINED = [("backbone.join", ["embedded"]), ("backbone.mirror", True)]


@pytest.mark.parametrize("name", HEADS)
def test_it_answers_alike(shapes, tmp_path, name):
    refused = ""
    try:
        transferkit.retrain(
            "linear_probe", data=shapes, run=tmp_path / "run", backbone="embedded", image_size=64,
            head=HEADS[name], quiet=True,
            overrides=[("export.formats", ["saved_model", *EXACT, "tflite_int8"]), ("data.test", 0.3),
                       ("evaluation.resamples", 0), ("evaluation.grad_cam", 0), *(JOINED if name == "joined" else [])],
        )  # fmt: skip
    except GateError as error:
        refused = str(error)
    found = json.loads((tmp_path / "run" / "parity.json").read_text())["artefacts"]
    print(json.dumps(found, indent=1), refused)
    passed = {one["format"]: one["passed"] for one in found}
    assert all(passed[one] for one in ("saved_model", *EXACT))
    # What int8 loses it may lose, but not without a word.
    assert passed.get("tflite_int8") or "tflite_int8" in refused
