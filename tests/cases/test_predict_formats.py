"""`predict` takes what training takes, counts what it passes over, and reads every format."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from transferkit.cli import main
from transferkit.cli.predict import command
from transferkit.export.export_spec import About, ExportSpec
from transferkit.export.formats import load_format
from transferkit.export.versions import write_export_manifest

CLASSES = ("dark", "light", "=red")
COLOURS = {"dark": (10, 10, 10), "light": (240, 240, 240), "red": (250, 5, 5), "unsure": (62, 60, 60)}
FILES = ("saved_model", "keras", "tflite", "onnx")


def make_export_spec(several: bool = False, threshold: float | None = None) -> ExportSpec:
    import keras
    import tensorflow as tf

    kernel = np.array([[-9.0, 9.0, 9.0], [-9.0, 9.0, -9.0], [-9.0, 9.0, -9.0]], np.float32)
    bias = np.array([4.0, -8.0, 0.0], np.float32)
    weights = [tf.Variable(kernel), tf.Variable(bias)]
    kind = "sigmoid" if several else "softmax"

    @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.uint8)], autograph=False)
    def probabilities(images):
        mean = tf.reduce_mean(tf.cast(images, tf.float32) / 255.0, [1, 2])
        return getattr(tf.nn, kind)(tf.matmul(mean, weights[0]) + weights[1])

    def keras_model():
        images = keras.Input((16, 16, 3), name="images")
        mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(images))
        dense = keras.layers.Dense(3, activation=kind)
        model = keras.Model(images, dense(mean))
        dense.set_weights([kernel, bias])
        return model

    thresholds = (0.5, 0.5, 0.3) if several else ()
    about = About(
        CLASSES, (16, 16), multi_label=several, thresholds=thresholds, threshold=threshold,
        precision=0.99 if threshold else None,
    )  # fmt: skip
    return ExportSpec(probabilities, weights, about, keras_model)


def export(folder: Path, export_spec: ExportSpec) -> Path:
    folder.mkdir(parents=True)
    for name in FILES:
        if all(map(importlib.util.find_spec, load_format(name).NEEDS)):
            load_format(name).write(export_spec, folder / load_format(name).FILE)
    write_export_manifest(folder, folder / "saved_model.pb")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return export(tmp_path_factory.mktemp("models") / "abstains" / "1", make_export_spec(threshold=0.9))


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> Path:
    return export(tmp_path_factory.mktemp("models") / "several" / "1", make_export_spec(several=True))


def draw(file: Path, colour: str = "red", **save) -> Path:
    Image.new("RGB", (20, 30), COLOURS[colour]).save(file, **save)
    return file


def call(*arguments):
    done = CliRunner().invoke(command, list(map(str, arguments)))
    assert done.exit_code == 0, done.output + done.stderr
    return done


def rows_of(done):
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.fixture
def mixed(tmp_path) -> Path:
    """Pictures of every name, and what is none."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    kinds = {"a.jpg": "JPEG", "b.tif": "TIFF", "c.TIFF": "TIFF", "d": "PNG", "e.JPG.bak": "PNG",
             "f.avif": "PNG", "g.jpg.png": "PNG", "h.heic": "PNG", "i.jfif": "JPEG", "j.ppm": "PPM",
             "k.bmp": "BMP", "l.webp": "WEBP"}  # fmt: skip
    for name, kind in kinds.items():
        draw(folder / name, format=kind)
    for name in ("notes.txt", "labels.csv", "weights.h5", ".hidden.png"):
        (folder / name).write_text("none")
    (folder / "Thumbs.db").write_text("clutter")
    return folder


def test_every_picture_of_a_folder_is_answered_whatever_its_ending(model, mixed):
    done = call(model, mixed, "--format", "json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(one["path"]).name for one in found] == sorted(
        path.name for path in mixed.iterdir() if path.name[0] in "abcdefghijkl" and path.name != "labels.csv"
    )
    assert {one["label"] for one in found} == {"=red"}
    assert "left out 3 files: no picture by the name" in done.stderr
    assert "left out 1 file: hidden" in done.stderr
    assert "Thumbs" not in done.stderr


def test_a_folder_of_tif_alone(model, tmp_path):
    for number in range(3):
        draw(tmp_path / f"{number}.tif")
    assert len(call(model, tmp_path).stdout.splitlines()) == 3


def test_a_folder_without_pictures_says_what_is_there(model, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(model), str(tmp_path)])
    assert ended.value.code == 2
    assert "no picture by the name" in capsys.readouterr().err


@pytest.mark.parametrize("name", FILES)
def test_each_format_answers_as_the_saved_model_does(name, model, tmp_path):
    for needed in load_format(name).NEEDS:
        pytest.importorskip(needed, reason=f"{name} needs transferkit[{load_format(name).EXTRA}]")
    for number in range(40):  # more than one batch
        draw(tmp_path / f"{number:02d}.png", list(COLOURS)[number % 4])
    (tmp_path / "05.png").unlink()
    found = rows_of(call(model / load_format(name).FILE, tmp_path, "--format", "csv"))
    wanted = rows_of(call(model, tmp_path, "--format", "csv"))
    assert len(found) == 39
    for one, other in zip(found, wanted, strict=True):
        assert [one[key] for key in ("path", "label", "abstained", "label_2", "label_3")] == [
            other[key] for key in ("path", "label", "abstained", "label_2", "label_3")
        ]
        assert float(one["probability"]) == pytest.approx(float(other["probability"]), abs=1e-4)
    assert sum(one["abstained"] == "true" for one in found) == 10
    assert all((one["label"] == "") == (one["abstained"] == "true") for one in found)


def test_a_bad_file_among_them_is_named_and_the_rest_goes_on(model, tmp_path):
    draw(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    draw(tmp_path / "c.png", "light")
    done = CliRunner().invoke(command, [str(model / "model.tflite"), str(tmp_path)])
    assert done.exit_code == 1
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["=red", "light"]
    assert "1 of 3 files could not be predicted" in done.stderr


def test_a_renamed_file_is_read_and_said_not_to_be_compared(model, tmp_path):
    file = tmp_path / "flowers.tflite"
    file.write_bytes((model / "model.tflite").read_bytes())
    done = call(file, draw(tmp_path / "a.png"))
    assert "=red" in done.stdout
    assert "no manifest, so its files were not compared" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["model.tflite", "a.png", "--engine", "openvino"], "tflite has its own"),
        (["notes.txt", "a.png"], "a file of one"),
        (["broken.tflite", "a.png"], "as `transferkit export` writes it"),
        (["broken.keras", "a.png"], "as `transferkit export` writes it"),
        (["gone.tflite", "a.png"], "no such file or folder"),
        (["model.tflite", "a.png", "--long"], "it is for --format csv"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, said, model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "a.png")
    for name in ("notes.txt", "broken.tflite", "broken.keras"):
        (tmp_path / name).write_text("none")
    (tmp_path / "model.tflite").write_bytes((model / "model.tflite").read_bytes())
    with pytest.raises(SystemExit) as ended:
        main(["predict", *arguments])
    assert ended.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "not compared" not in line]
    assert len(lines) == 1
    assert said in lines[0]


def test_csv_has_a_row_a_picture_and_long_a_row_a_rank(model, tmp_path):
    names = ["a, b.png", '"quoted".png', "=1+1.png", "ü.png"]
    for name in names:
        draw(tmp_path / name)
    done = call(model, tmp_path, "--format", "csv")
    header, *rows = csv.reader(io.StringIO(done.stdout))
    assert header == [
        "path",
        "label",
        "probability",
        "abstained",
        "label_2",
        "probability_2",
        "label_3",
        "probability_3",
    ]
    assert sorted(Path(row[0]).name for row in rows) == sorted(names)
    assert {len(row) for row in rows} == {8}
    assert {row[1] for row in rows} == {"'=red"}, "no formula of a spreadsheet"
    one = rows_of(call(model, tmp_path, "--format", "csv", "--top", "1"))
    assert list(one[0]) == ["path", "label", "probability", "abstained"]
    many = rows_of(call(model, tmp_path, "--format", "csv", "--top", "50"))
    assert list(many[0])[-1] == "probability_3"
    long = rows_of(call(model, tmp_path, "--format", "csv", "--long"))
    assert len(long) == 4 * 3
    assert [row["rank"] for row in long[:3]] == ["1", "2", "3"]


@pytest.mark.parametrize("name", ["saved_model", "tflite"])
def test_several_labels_are_a_column(name, several, tmp_path):
    for colour in COLOURS:
        draw(tmp_path / f"{colour}.png", colour)
    found = rows_of(call(several / load_format(name).FILE, tmp_path, "--format", "csv"))
    labels = {Path(row["path"]).stem: row["labels"] for row in found}
    assert labels["dark"] == "dark|=red"
    assert labels["light"] == "light"
    assert all(row["abstained"] == "false" for row in found)


def test_a_thousand_files_stream(model, tmp_path):
    encoded = draw(tmp_path / "one.png").read_bytes()
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number:04d}.png").write_bytes(encoded)
    for place in (model, model / "model.tflite"):
        done = call(place, folder, "--format", "csv", "--top", "1")
        assert [Path(row["path"]).stem for row in rows_of(done)] == [
            f"{number:04d}" for number in range(1000)
        ]
