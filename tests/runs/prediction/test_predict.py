"""Predictions from an export: in order, past bad files, with any engine, and abstaining where unsure."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from transferkit.cli.predict import command
from transferkit.errors import UserError
from transferkit.runs.prediction import exported as exported_module
from transferkit.runs.prediction import stream as stream_module
from transferkit.runs.prediction.exported import Exported
from transferkit.runs.prediction.find_export import find_export

CLASSES = ("dark", "light", "red")


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> Path:
    """A SavedModel that knows dark, light and red pictures, and abstains below 0.9."""
    import tensorflow as tf

    from transferkit.export.export_spec import About, ExportSpec
    from transferkit.export.formats.saved_model import write

    weights = tf.Variable([[-9.0, 9.0, 9.0], [-9.0, 9.0, -9.0], [-9.0, 9.0, -9.0]])

    @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.uint8)])
    def probabilities(images):
        mean = tf.reduce_mean(tf.cast(images, tf.float32) / 255.0, [1, 2])
        return tf.nn.softmax(tf.matmul(mean, weights) + tf.constant([4.0, -8.0, 0.0]))

    about = About(CLASSES, (16, 16), threshold=0.9, precision=0.99)
    folder = tmp_path_factory.mktemp("export") / "3"
    folder.mkdir()
    write(ExportSpec(probabilities, [weights], about), folder)
    return folder


@pytest.fixture(scope="module")
def exported(export) -> Exported:
    return Exported(export)


COLOURS = {"dark": (10, 10, 10), "light": (240, 240, 240), "red": (250, 5, 5), "unsure": (62, 60, 60)}


@pytest.fixture
def folder(tmp_path) -> Path:
    """40 pictures that can be read, and six files that cannot."""
    for number in range(40):
        name = list(COLOURS)[number % 4]
        Image.new("RGB", (20 + number, 30), COLOURS[name]).save(tmp_path / f"{number:02d}_{name}.png")
    (tmp_path / "05_text.jpg").write_text("no image")
    (tmp_path / "11_empty.png").touch()
    (tmp_path / "12_cut.png").write_bytes((tmp_path / "00_dark.png").read_bytes()[:40])
    (tmp_path / "39_link.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "99_cut.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF")
    os.mkfifo(tmp_path / "20_pipe.png")
    return tmp_path


# A part of the reason, in the words of whatever reads the file.
REASONS = {
    "05_text.jpg": "no image format",
    "11_empty.png": "empty",
    "12_cut.png": "PNG",
    "20_pipe.png": "not a regular file",
    "39_link.png": "a symbolic link to nothing",
    "99_cut.jpg": "JPEG",
}
BAD = set(REASONS)


@pytest.mark.parametrize("engine", ["saved_model", "tensorflow", "auto"])
def test_every_file_is_answered_once_in_order_whatever_lies_between(engine, exported, folder, monkeypatch):
    monkeypatch.setattr(exported_module, "MANY", 8)
    monkeypatch.setattr(stream_module, "_AT_ONCE", 8)
    files = sorted(map(str, folder.iterdir()))
    found = list(exported.predict(files, top=2, engine=engine))
    assert exported.engine != "saved_model" or engine == "saved_model"
    assert [one.path for one in found] == files
    for one in found:
        name = Path(one.path).name
        if name in BAD:
            assert REASONS[name] in one.error
            assert one.top == ()
            assert one.label is None
            assert not one.abstained
            continue
        assert one.error is None
        wanted = name[3:-4]
        assert len(one.top) == 2
        assert one.top[0][1] >= one.top[1][1]
        assert one.abstained == (wanted == "unsure")
        assert one.label == (None if wanted == "unsure" else wanted)


def test_engines_give_the_same_probabilities(exported, folder):
    files = [path for path in sorted(folder.iterdir()) if path.name not in BAD]
    plain, fast = (list(exported.predict(files, 3, engine)) for engine in ("saved_model", "tensorflow"))
    for one, other in zip(plain, fast, strict=True):
        assert [label for label, _ in one.top] == [label for label, _ in other.top]
        np.testing.assert_allclose([p for _, p in one.top], [p for _, p in other.top], atol=1e-5)


@pytest.mark.parametrize("engine", ["saved_model", "tensorflow"])
def test_files_are_asked_for_only_as_they_are_needed(engine, exported, folder):
    file = str(folder / "00_dark.png")
    asked = 0

    def endless():
        nonlocal asked
        while True:
            asked += 1
            yield file

    stream = exported.predict(endless(), engine=engine)
    for _ in range(50):
        assert next(stream).label == "dark"
    stream.close()
    assert asked <= 400


def test_few_files_take_no_engine(exported, folder):
    exported.engine = "untouched"
    list(exported.predict([folder / "00_dark.png"]))
    assert exported.engine == "untouched"


def test_a_label_that_is_given_twice_is_two_files(exported, folder):
    file = folder / "02_red.png"
    assert [one.label for one in exported.predict([file, file])] == ["red", "red"]


@pytest.mark.parametrize("form", ["json", "csv", "table"])
def test_the_command_streams_goes_on_after_bad_files_and_counts_them(form, export, folder):
    done = CliRunner().invoke(command, [str(export.parent), str(folder), "--format", form, "--top", "1"])
    assert done.exit_code == 1
    assert "6 of 46 files could not be predicted" in done.stderr
    assert all(name in done.stderr for name in BAD)
    if form == "json":
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(rows) == 40
        assert {row["label"] for row in rows} == {*CLASSES, None}
        assert {row["abstained"] for row in rows if row["label"] is None} == {True}
    elif form == "csv":
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        assert len(rows) == 40
        assert sum(row["abstained"] == "true" for row in rows) == 10
    else:
        assert done.stdout.count("abstained: ") == 10


def test_all_read_is_exit_code_0(export, folder):
    done = CliRunner().invoke(command, [str(export), str(folder / "00_dark.png")])
    assert done.exit_code == 0
    assert done.stdout.split()[1] == "dark"


def test_the_newest_version_counts_and_other_places_say_so(export, tmp_path):
    assert find_export(export.parent) == export
    assert find_export(export) == export
    with pytest.raises(UserError, match=r"holds no saved_model\.pb"):
        find_export(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(UserError, match=r"assets/transferkit\.json"):
        Exported(tmp_path)


def test_a_run_that_is_not_there_names_one_like_it(export, tmp_path):
    (tmp_path / "runs" / "flowers").mkdir(parents=True)
    (tmp_path / "runs" / ".flower.partial").mkdir()
    with pytest.raises(UserError, match=r"no such file or folder; did you mean '.*runs/flowers'\?"):
        find_export(tmp_path / "runs" / "flower")
    with pytest.raises(UserError, match=r"no such file or folder$"):
        find_export(tmp_path / "nowhere" / "else")
