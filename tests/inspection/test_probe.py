"""Backbones ranked on photos: what is measured, what is left out, and what is recommended."""

from __future__ import annotations

import dataclasses
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from transferkit.cli.inspection.probe import command
from transferkit.errors import UserError
from transferkit.inspection import probe as module
from transferkit.inspection.probe import ProbeRow, _recommended, _with_front, probe
from transferkit.runs.best import judge


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """Three classes of 16 images that their colour tells apart."""
    root = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    for name, colour in (("red", (200, 60, 60)), ("green", (60, 200, 60)), ("blue", (60, 60, 200))):
        (root / name).mkdir()
        for number in range(16):
            noise = rng.integers(-50, 50, (40, 40, 3)) + np.array(colour)
            Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(root / name / f"{number}.png")
    return root


def row(name, accuracy, gflops):
    return ProbeRow(name, accuracy, accuracy - 0.1, accuracy + 0.1, 1.0, 10.0, gflops, 1.0, "head", 1.0)


def test_the_front_is_what_nothing_beats():
    rows = _with_front([row("best", 0.9, 5.0), row("beaten", 0.8, 6.0), row("cheap", 0.7, 0.1)])
    assert [one.backbone for one in rows if one.front] == ["best", "cheap"]


def test_the_cheapest_that_is_level_is_recommended():
    rows = [row("big", 0.9, 5.0), row("small", 0.89, 0.5), row("tiny", 0.5, 0.1)]
    rng = np.random.default_rng(0)
    right = {name: (rng.uniform(size=400) < share).astype(float) for name, share in
             (("big", 0.9), ("small", 0.9), ("tiny", 0.5))}  # fmt: skip
    taken, sentence = _recommended(rows, right)
    assert taken.backbone == ("small" if right["big"].mean() - right["small"].mean() < 0.02 else "big")
    assert taken.backbone in sentence
    assert _recommended(rows[:1], right)[0].backbone == "big"


def test_operations_are_not_compared_with_seconds():
    """A network whose inside is not visible looked cheaper than all others: 0.1 seconds beside GFLOPs."""
    hidden = dataclasses.replace(row("hidden", 0.9, None), images_per_s=10.0)
    open_one = dataclasses.replace(row("open", 0.9, 0.6), images_per_s=100.0)
    assert [one.backbone for one in _with_front([hidden, open_one]) if one.front] == ["open"]
    right = {"hidden": np.ones(8), "open": np.ones(8)}
    taken, sentence = _recommended([hidden, open_one], right)
    assert taken.backbone == "open"
    assert "10.0 times less" in sentence


def test_it_measures_and_skips(colours, tmp_path):
    page = tmp_path / "probe.html"
    arguments = ["--data", str(colours), "--backbones", "embedded,resnet152,nowhere", "--quiet"]
    done = CliRunner().invoke(command, [*arguments, "--json", "--out", str(page), "--budget", "2m"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    (only,) = found["rows"]
    assert only["backbone"] == found["recommended"] == "embedded"
    assert only["accuracy"] > 0.8
    assert only["front"]
    assert found["images"] < 48  # those of validation and test are not looked at
    assert "not on this machine" in found["skipped"]["resnet152"]
    assert "nowhere" in found["skipped"]
    assert found["command"].startswith("transferkit retrain --recipe auto --backbone embedded --data ")
    assert found["sentence"] in page.read_text()
    (drawing,) = re.findall("<svg.*</svg>", page.read_text())
    assert ">embedded</text>" in drawing


@pytest.mark.parametrize(
    "wrong",
    [("--budget", "0"), ("--budget", "0s"), ("--backbones", ","), ("--backbones", "all-local,embedded")],
)
def test_what_means_nothing_is_refused(tmp_path, wrong):
    done = CliRunner().invoke(command, ["--data", str(tmp_path), *wrong])
    assert isinstance(done.exception, UserError)
    assert wrong[0] in str(done.exception)


@pytest.mark.slow
@pytest.mark.parametrize("copies", [1, 2])
def test_noise_does_not_look_good(tmp_path, copies):
    """Nor do two copies of each photo under different names."""
    rng = np.random.default_rng(7)
    for number in range(80):
        picture = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        for copy in range(copies):
            folder = tmp_path / ("a", "b")[number % 2]
            folder.mkdir(exist_ok=True)
            picture.save(folder / f"{number}-{copy}.png")
    found = probe(str(tmp_path), ["embedded"], overrides=[("backbone.input_size", 64)], quiet=True)
    (only,) = found.rows
    assert only.low <= 0.5 <= only.high
    assert only.log_loss > np.log(2) - 0.05


def test_no_backbone_is_an_error(colours):
    with pytest.raises(UserError, match="nowhere"):
        probe(str(colours), ["nowhere"], quiet=True)


def test_each_head_is_sought_for_the_same_share_of_all_passes(colours, monkeypatch):
    """Else the backbone that passes slowest would have the head that is sought longest."""
    passes, asked = {"embedded": 10.0, "embedded_2": 90.0}, {}

    def pass_backbone(recipe, images, progress):
        seconds = passes[recipe.backbone.name]
        return SimpleNamespace(pass_seconds=seconds, seconds=seconds)

    def judged(name, passed, seconds, progress):
        asked[name] = seconds
        return row(name, 0.9, passed.seconds), np.ones(8)

    monkeypatch.setattr(judge, "pass_backbone", pass_backbone)
    monkeypatch.setattr(module, "_judge", judged)
    monkeypatch.setattr(module, "_known", lambda name: False)
    monkeypatch.setattr(module, "admit_code", lambda recipe: recipe)
    named = lambda *_, backbone="": SimpleNamespace(backbone=SimpleNamespace(name=backbone))  # noqa: E731
    monkeypatch.setattr(module, "load", named)
    monkeypatch.setattr(module, "check_supported", lambda recipe: None)
    monkeypatch.setattr(module, "prepare", lambda recipe, progress: Photos())
    found = probe(str(colours), list(passes), quiet=True)
    assert asked == {"embedded": 10.0, "embedded_2": 10.0}
    assert sum(asked.values()) < 0.3 * sum(passes.values())
    assert found.recommended == "embedded"
    passes["embedded"] = passes["embedded_2"] = 1.0
    probe(str(colours), list(passes), quiet=True)
    assert asked == {"embedded": 2.0, "embedded_2": 2.0}


class Photos:
    """As many images as are asked about."""

    notes = ()

    def of_split(self, name):
        return np.arange(8)

    def take(self, indices):
        return self

    def __len__(self):
        return 8
