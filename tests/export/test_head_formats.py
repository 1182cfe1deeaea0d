"""Every kind of head that is found at once, in every format: what is written answers as the network does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from transferkit.export.formats import load_format
from transferkit.packages import installed

from .conftest import CLASSES, Small, draw

HEADS = {
    "gaussian": {"kind": "kernel", "features": "levels"},
    "relu": {"kind": "random_features", "units": 60, "features": "levels"},
    "logistic": {"kind": "logistic", "features": "levels"},
    "ridge": {"kind": "ridge", "features": "levels"},
    "arc_cosine": {"kind": "kernel", "kernel": "arc_cosine", "features": "all"},
    "auto": {"kind": "auto"},
    "joined": {"kind": "kernel", "features": "levels"},
    "mirrored": {"kind": "auto"},
    "crops": {"kind": "ridge"},
}
SETTINGS = {
    "joined": [("backbone.join", ["embedded"])],
    "mirrored": [("backbone.mirror", True)],
    "crops": [("backbone.crops", 5)],
}
QUICK = {"gaussian": ["tflite"], "relu": ["keras"]}
FORMATS = ["saved_model", "keras", "tflite", "tflite_float16", "tflite_int8", "onnx"]
COUNT = 60


def made(name: str) -> Small:
    """A network with this head, fitted to labels that are half chance: its answers are of every kind."""
    from transferkit.heads import Known
    from transferkit.recipe import load
    from transferkit.runs.calibration.calibrate import Calibrated
    from transferkit.runs.release.artefacts import make_export_spec
    from transferkit.training.parts import open_parts

    overrides = [("backbone.name", "embedded"), ("backbone.input_size", 64), ("head", HEADS[name])]
    recipe = load("linear_probe", [*overrides, *SETTINGS.get(name, [])])
    parts = open_parts(recipe, CLASSES)
    phase = recipe.resolved_phases[-1]
    network = parts.network(phase, parts.plan(phase), [COUNT // 3] * 3)
    images = np.stack([draw(seed, parts.backbone.input_size) for seed in range(COUNT)])
    features = np.asarray(network.features({"images": images}))
    network.standardise.fit(features)
    labels = images.mean(axis=(1, 2)).argmax(axis=1)
    labels[::3] = np.random.default_rng(1).integers(0, 3, len(labels[::3]))
    known = Known(np.arange(COUNT), parts.levels, 5.0)
    parts.layer = network.head.fit(network.standardise(features).numpy(), labels, 0, known)
    if network.head.found is not None:
        parts.narrow(network.head.found.levels or tuple(parts.levels))
    network = parts.network(phase, parts.plan(phase), [COUNT // 3] * 3)
    export_spec = make_export_spec(parts, network, Calibrated())
    return Small(parts, network, replace(export_spec, photos=lambda most: iter(images[:most])), images)


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[] if one in QUICK else pytest.mark.slow) for one in HEADS]
)
def test_each_format_answers_as_the_network(name, tmp_path):
    check(name, QUICK.get(name, FORMATS), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_each_other_format_answers_as_the_network(name, tmp_path):
    check(name, [one for one in FORMATS if one not in QUICK[name]], tmp_path)


def check(name, formats, folder):
    small = made(name)
    wanted = small.wanted
    assert (wanted.max(axis=1) < 0.9).mean() > 0.2, "answers that are all sure hide what a format loses"
    assert len(set(wanted.argmax(axis=1))) == 3
    for kind in formats:
        one = load_format(kind)
        if not all(map(installed, one.NEEDS)):
            continue
        path = folder / one.FILE if one.FILE else folder
        one.write(small.export_spec, path)
        answers = one.read(path).answer(small.images)
        agreement = float((answers.argmax(axis=1) == wanted.argmax(axis=1)).mean())
        difference = float(np.abs(answers - wanted).max())
        if one.TOLERANCE.difference is not None:
            assert difference <= one.TOLERANCE.difference, kind
        assert agreement >= (0.9 if kind == "tflite_int8" else 0.98), kind
