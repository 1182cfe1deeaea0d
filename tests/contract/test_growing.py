"""Each kind of part is added from outside the package, in one file, and used in a run.

Components (a head, a schedule, a loss, an augmentation) are named by their dotted paths; cards and recipes
lie in the project's folders; export formats, data sources and verbs come with an installed package, which is
made here of a folder on the path.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HEAD = """
from transferkit.heads import Head


class Plain(Head):
    def build(self, width, classes, seed):
        import keras

        draw = keras.initializers.GlorotUniform(seed)
        return keras.Sequential([keras.Input((width,)), keras.layers.Dense(classes, kernel_initializer=draw)])
"""
SCHEDULE = """
from transferkit.schedules import Schedule


class Halved(Schedule):
    def rate(self, step, span):
        return span.base * (1 if step < span.steps / 2 else 0.5)
"""
LOSS = """
from typing import ClassVar

from transferkit.losses import Loss


class Squared(Loss):
    def per_sample(self, labels, logits, weights):
        import tensorflow as tf

        return tf.reduce_sum((tf.nn.softmax(logits) - labels) ** 2, axis=-1)
"""
AUGMENTATION = '''
from typing import ClassVar

from transferkit.augmentation import Augmentation


class Grey(Augmentation):
    """A half of the images without their colours."""

    order: ClassVar[int] = 25
    draws: ClassVar[int] = 1
    way: ClassVar[str] = "paint"

    def paint(self, images, draws):
        import tensorflow as tf

        grey = tf.reduce_mean(images, axis=-1, keepdims=True) + tf.zeros_like(images)
        return tf.where(draws[:, 0, None, None, None] < 0.5, grey, images)
'''
CARD = """
summary = "The embedded network at a smaller size"
constructor = "transferkit.backbones.networks.embedded.embedded"
family = "embedded"
size = [32, 32]
normalisation = "tf"
feature_width = 512
parameters = 1050088
licence = "Apache-2.0"

[stages]
stem = "stem_out"
top = "top_out"
"""
FORMAT = '''
"""What the model answered to a few photos of the training."""

import json

import numpy as np

from transferkit.export.formats._base import EXACT, LoadedArtefact, Tensor
from transferkit.export.export_spec import About

FILE, TITLE, TOLERANCE, NEEDS, EXTRA, FUNCTIONAL = "table.npz", "Answers by image", EXACT, (), None, False
USAGE = "numpy.load({path!r})"
PHOTOS = True


def write(export_spec, path):
    """Answers to a few photos: no model, but an artefact that can be written, read and refused."""
    photos = np.stack(list(export_spec.photos(4)))
    answers = export_spec.probabilities(photos)
    with open(path, "wb") as file:
        np.savez(file, photos=photos, answers=answers, about=export_spec.about.to_json())


def read(path):
    held = np.load(path)
    about = About.from_json(str(held["about"]))
    sides = [Tensor("images", "uint8", None)], [Tensor("probabilities", "float32", None)]

    def answer(images):
        wanted = [np.flatnonzero((held["photos"] == one).all((1, 2, 3))) for one in images]
        return np.stack([held["answers"][found[0]] for found in wanted])

    return LoadedArtefact(about, answer, about.classes, {"main": sides})
'''
SOURCE = '''
"""Folders of flat files named CLASS_NUMBER.png: ``flat:FOLDER``."""

from pathlib import Path

from transferkit.data.source import DataSet, Item


def takes(reference, options):
    return reference.startswith("flat:")


def read(reference, options):
    root = Path(reference.removeprefix("flat:"))
    files = sorted(root.glob("*.png"))
    classes = tuple(sorted({one.name.partition("_")[0] for one in files}))
    items = (Item(one, one.name, classes.index(one.name.partition("_")[0])) for one in files)
    return DataSet(root, classes, tuple(items))
'''
VERB = '''
import click


@click.command()
@click.argument("run")
def command(run):
    """Say how well a run did."""
    from transferkit import load_run

    click.echo(f"accuracy {load_run(run).metrics['accuracy']:.1f}")
'''
ENTRY_POINTS = """
[transferkit.export.formats]
answers = answers_format
[transferkit.data.sources]
flat = flat_source
[transferkit.cli]
how-well = how_well
"""
RECIPE = """
extends = "retrain"
epochs = 2
optimizer = { name = "adam", learning_rate = 1e-2 }
schedule = "halved:Halved"
loss = "squared:Squared"
head = "plain:Plain"
backbone = { name = "small", weights = "random" }
augmentation = { "grey:Grey" = true }
export = { formats = ["answers"], parity = false }
evaluation = { grad_cam = 0, resamples = 0 }
"""
COMPONENTS = {"plain": HEAD, "halved": SCHEDULE, "squared": LOSS, "grey": AUGMENTATION}
MODULES = {"answers_format": FORMAT, "flat_source": SOURCE, "how_well": VERB}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A project with a file for each part, and beside it a folder with an installed package."""
    root = tmp_path_factory.mktemp("growing")
    project, site = root / "project", root / "site"
    (project / "backbones").mkdir(parents=True)
    (project / "recipes").mkdir()
    (project / "images").mkdir()
    for name, code in COMPONENTS.items():
        (project / f"{name}.py").write_text(code)
    (project / "backbones" / "small.toml").write_text(CARD)
    (project / "recipes" / "mine.toml").write_text(RECIPE)
    metadata = site / "grown-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: grown\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    for name, code in MODULES.items():
        (site / f"{name}.py").write_text(code)
    rng = np.random.default_rng(0)
    for number in range(20):
        for name, level in (("dark", 40), ("light", 160)):
            pixels = rng.integers(level, level + 60, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(project / "images" / f"{name}_{number}.png")
    return root


def transferkit(place: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "transferkit", *arguments],
        env={**os.environ, "PYTHONPATH": str(place / "site"), "PYTHONSAFEPATH": "1"},
        cwd=place / "project",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def run(place) -> Path:
    """One run with all of them."""
    transferkit(place, "recipes", "validate", "mine")
    transferkit(place, "retrain", "--recipe", "mine", "--data", "flat:images", "--run", "run", "-q")
    return place / "project" / "run"


def test_a_run_is_made_of_them(run):
    recipe = (run / "recipe.toml").read_text()
    assert all(f'"{name}:' in recipe for name in ("plain", "halved", "squared", "grey"))
    manifest = json.loads((run / "manifest.json").read_text())
    assert json.loads((run / "metrics.json").read_text())["classes"] == ["dark", "light"]
    assert manifest


def test_the_schedule_halves_the_rate(run):
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert rows[-1]["learning_rate"] == pytest.approx(5e-3)


def test_the_format_is_written_and_looked_into(run, place):
    (file,) = (run / "export").rglob("table.npz")
    told = json.loads(transferkit(place, "inspect", str(file), "--json"))
    assert "Answers by image" in json.dumps(told)
    assert "answers" in transferkit(place, "export", "--help")


def test_the_verb_is_one_among_ours(run, place):
    assert "how-well" in transferkit(place, "--help")
    assert transferkit(place, "how-well", "run").startswith("accuracy ")


def test_what_is_not_installed_is_not_there(place):
    done = subprocess.run(
        [sys.executable, "-m", "transferkit", "recipes", "validate", "mine"],
        cwd=place / "project", capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2
    assert "received 'answers', expected one of keras, onnx" in done.stderr


def test_a_part_that_lacks_a_member_is_named(place, tmp_path, monkeypatch):
    from transferkit.errors import UserError
    from transferkit.export.formats import load_format

    metadata = tmp_path / "half-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: half\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[transferkit.export.formats]\nhalf = half_a_format\n")
    (tmp_path / "half_a_format.py").write_text("FILE = 'half.bin'\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"half \(half_a_format\): received 'no TITLE, .*, write, read'"):
        load_format("half")
