"""Made-up runs with everything a report can show: five classes, two hundred, and several tags an image."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from transferkit.evaluation import abstention_threshold, evaluate, fit_temperature, gates
from transferkit.report import (
    DataFacts,
    ExportFacts,
    ParityRow,
    Phase,
    PlanFacts,
    PlanRow,
    ReportFacts,
    StageTime,
    worst_mistakes,
)

FLOWERS = ["daisy", "dandelion", "roses", "sunflowers", "tulips & <others>"]


def probabilities_of(labels, classes, rng, strength):
    logits = rng.normal(size=(len(labels), classes)) * 1.3
    logits[np.arange(len(labels)), labels] += strength
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """200 small pictures whose hue goes by their number."""
    folder = tmp_path_factory.mktemp("photos")
    y, x = np.mgrid[0:150, 0:200] / 200
    paths = []
    for i in range(200):
        picture = np.stack([x * (i % 5) / 5, y * (i % 7) / 7, (x + y) / 2], axis=2)
        path = folder / f"photo {i}.jpg"
        Image.fromarray((picture * 255).astype(np.uint8)).save(path)
        paths.append(path)
    return paths


def make_facts(names, samples, photos, strength=4.0, **more):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(names), samples)
    given = probabilities_of(labels, len(names), rng, strength)
    files = [photos[i % len(photos)] for i in range(samples)]
    found = evaluate(labels, given, names, [f"{names[k]}/photo {i}.jpg" for i, k in enumerate(labels)])
    history = [
        {
            "epoch": i, "step": 8 * i, "phase": "probe" if i < 12 else "fine-tune",
            "loss": 1.6 * 0.85**i + 0.05, "val_loss": 1.5 * 0.88**i + 0.35,
            "val_accuracy": 0.88 - 0.6 * 0.8**i, "learning_rate": 1e-2 if i < 12 else 1e-5,
        }
        for i in range(1, 21)
    ]  # fmt: skip
    yy, xx = np.mgrid[0:7, 0:7]
    heat = np.exp(-((yy - 3) ** 2 + (xx - 4) ** 2) / 4)
    counts = np.bincount(labels, minlength=len(names)).tolist()
    known = dict(zip(names, counts, strict=True))
    facts = {
        "title": "flowers",
        "created": "21 November 2026, 11:20",
        "license": "Apache-2.0",
        "summary": {
            "Backbone": "mobilenet_v2 at 224 × 224",
            "Images": f"{2 * samples}",
            "Time": "9.8 s on 2 cores",
        },
        "evaluation": found,
        "image_paths": files,
        "overlays": dict.fromkeys(worst_mistakes(found), heat),
        "gates": gates.parse("accuracy=0.7"),
        "data": DataFacts(
            source="photos/",
            counts={"train": dict.fromkeys(names, 100), "validation": known},
            samples={name: photos[i % 5 :: 5][:8] for i, name in enumerate(names)},
            quarantined=[("roses/half.jpg", "truncated")],
            warnings=["2 images are in both splits."],
        ),
        "plan": PlanFacts(
            rows=[
                PlanRow("stem to block 12", "frozen", 1_840_000),
                PlanRow("block 13 to 16", "trained", 417_984),
                PlanRow("head", "trained", 6_405, "linear, dropout 0.2"),
            ],
            phases=[Phase("probe", 96, "Adam 0.01"), Phase("fine-tune", 64, "Adam 1e-5, cut at block 12")],
            facts={"Backbone": "mobilenet_v2", "Cut": "block_12"},
        ),
        "history": history,
        "temperature": fit_temperature(given, labels),
        "abstention": abstention_threshold(given, labels, 0.9),
        "stages": [
            StageTime("decode", 1.9, 700),
            StageTime("features", 3.2, 700),
            StageTime("train", 2.1, 160, "steps"),
            StageTime("export", 1.7),
            StageTime("report", 0.4),
            StageTime("parity", 9.0, 2, "artefacts"),
        ],
        "recipe": 'backbone.name = "mobilenet_v2"\nbatch_size = 64\n',
        "lock": '{"tensorflow": "2.21.0"}',
        "export": ExportFacts(
            "runs/flowers/export",
            "flowers",
            [("1/ (SavedModel)", 9_400_000), ("model_int8.tflite", 2_600_000)],
            [ParityRow("SavedModel", 64, 1.0, 3e-7, True), ParityRow("TFLite int8", 64, 0.95, 0.21, False)],
        ),
    }
    return ReportFacts(**{**facts, **more})


@pytest.fixture(scope="session")
def five(photos):
    """A run on five classes with everything known of it."""
    return make_facts(FLOWERS, 200, photos)


@pytest.fixture(scope="session")
def twenty(photos):
    """The same on twenty classes of long names."""
    return make_facts([f"a species number {i:03}" for i in range(20)], 400, photos, strength=5.0)


@pytest.fixture(scope="session")
def two_hundred(photos):
    """The same on two hundred classes."""
    return make_facts([f"species {i:03}" for i in range(200)], 3000, photos, strength=5.0, title="species")


@pytest.fixture(scope="session")
def tagged(photos):
    """A multi-label evaluation and nothing else."""
    rng = np.random.default_rng(0)
    labels = rng.random((60, 4)) < 0.4
    given = np.clip(labels * 0.8 + rng.normal(size=labels.shape) * 0.3, 0, 1).astype(np.float32)
    found = evaluate(labels, given, ["red", "green", "blue", "round"], [str(path) for path in photos[:60]])
    return ReportFacts(title="tags", evaluation=found)
