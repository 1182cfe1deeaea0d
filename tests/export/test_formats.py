"""Every format, found by its module: what is written answers as the network does, from the file alone."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from transferkit.card import NORMALISATIONS
from transferkit.errors import UserError
from transferkit.export.export_spec import About
from transferkit.export.formats import find_artefacts, format_names, load_format, size_of
from transferkit.recipe import Recipe

from .conftest import CLASSES, make_small


def needs(name):
    for module in load_format(name).NEEDS:
        pytest.importorskip(module, reason=f"{name} needs transferkit[{load_format(name).EXTRA}]")


def test_the_formats_are_the_modules_and_the_words_of_recipes():
    words = Recipe.model_json_schema()["$defs"]["ExportSection"]["properties"]["formats"]["items"]["enum"]
    assert set(format_names()) == set(words)
    assert len(format_names()) >= 7
    assert format_names()[0] == "saved_model"
    files = [load_format(name).FILE for name in format_names()]
    assert len(set(files)) == len(files)
    with pytest.raises(UserError, match="did you mean 'tflite'"):
        load_format("tflit")


@pytest.mark.parametrize("name", format_names())
def test_an_artefact_answers_as_the_network_and_says_what_it_is(name, small, artefacts):
    needs(name)
    one = load_format(name)
    opened = one.read(artefacts / one.FILE if one.FILE else artefacts)
    answers = opened.answer(small.images)
    assert answers.shape == (12, 3)
    assert answers.dtype == np.float32
    tolerance, wanted = one.TOLERANCE, small.wanted
    if tolerance.difference is not None:
        assert np.abs(answers - wanted).max() <= tolerance.difference
    assert (answers.argmax(1) == wanted.argmax(1)).mean() >= 0.9
    assert len(set(wanted.argmax(1))) == 3, "the images must not all be of one class"
    # One image alone, and more than fit into one batch.
    np.testing.assert_allclose(opened.answer(small.images[:1]), answers[:1], atol=1e-5)
    np.testing.assert_allclose(opened.answer(np.tile(small.images, (3, 1, 1, 1)))[24:], answers, atol=1e-5)
    assert opened.labels == CLASSES == opened.about.classes
    assert opened.about == small.export_spec.about
    assert opened.about.temperature == 1.7
    assert opened.about.threshold is not None
    taken = {tensor.name for inputs, _ in opened.signatures.values() for tensor in inputs}
    given = {tensor.name for _, outputs in opened.signatures.values() for tensor in outputs}
    assert taken in ({"images"}, {"images", "bytes"})
    assert "probabilities" in given


def test_quantised_files_are_smaller(artefacts):
    found = find_artefacts(artefacts)
    plain = size_of(found["tflite"])
    assert size_of(found["tflite_float16"]) < 0.6 * plain
    assert size_of(found["tflite_dynamic"]) < 0.35 * plain
    assert size_of(found["tflite_int8"]) < 0.35 * plain
    assert size_of(found["saved_model"]) < sum(path.stat().st_size for path in artefacts.rglob("*"))


def test_int8_takes_and_keeps_pixels_as_they_are(artefacts):
    opened = load_format("tflite_int8").read(artefacts / "model_int8.tflite")
    ((inputs, _),) = opened.signatures.values()
    assert inputs[0].dtype == "uint8"
    assert inputs[0].shape == (None, 128, 128, 3)


@pytest.mark.parametrize("name", ["keras", "tflite"])
def test_labels_can_be_taken_out_with_unzip(name, artefacts):
    with zipfile.ZipFile(find_artefacts(artefacts)[name]) as archive:
        assert archive.read("labels.txt").decode().splitlines() == list(CLASSES)


@pytest.mark.parametrize("name", format_names())
def test_the_usage_that_is_shown_works_when_it_is_pasted(name, artefacts, tmp_path, monkeypatch, photos):
    needs(name)
    monkeypatch.chdir(tmp_path)
    Image.open(photos[0]).save("photo.jpg")
    one = load_format(name)
    code = one.USAGE.format(path=str(find_artefacts(artefacts)[name]), height=128, width=128)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(code, name, "exec"), {})
    lines = [line.rsplit(" ", 1) for line in said.getvalue().splitlines()]
    assert len(lines) == (3 if name == "saved_model" else 1)
    assert {label for label, _ in lines} <= set(CLASSES)
    scores = [float(score) for _, score in lines]
    assert scores == sorted(scores, reverse=True)


ALONE = """
import sys
sys.modules["transferkit"] = None
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
images = np.load(sys.argv[2])
np.save(sys.argv[3], model.predict(images, verbose=0))
"""


def test_a_keras_file_opens_in_keras_without_transferkit(small, artefacts, tmp_path):
    np.save(tmp_path / "images.npy", small.images)
    arguments = [artefacts / "model.keras", tmp_path / "images.npy", tmp_path / "answers.npy"]
    done = subprocess.run([sys.executable, "-c", ALONE, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_allclose(np.load(tmp_path / "answers.npy"), small.wanted, atol=1e-4)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_preprocessing_of_keras_own_layers_is_the_same(normalisation):
    from transferkit.backbones.normalise_pixels import Pixels
    from transferkit.export.plain_keras import _pixels
    from transferkit.keras3 import keras

    images = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype(np.float32)
    source = keras.Input((5, 4, 3))
    # With a layer in any case: older Keras makes no model of an input that is the output.
    model = keras.Model(source, keras.layers.Identity()(_pixels(normalisation, source)))
    np.testing.assert_allclose(
        np.asarray(model(images)), np.asarray(Pixels(normalisation)(images)), rtol=1e-5, atol=1e-4
    )


def test_the_saved_model_says_where_it_is_sure_enough(small, artefacts, photos):
    import tensorflow as tf

    model = tf.saved_model.load(str(artefacts))
    encoded = [photo.read_bytes() for photo in photos]
    answer = model.signatures["serving_default"](bytes=tf.constant(encoded))
    sure = answer["probabilities"].numpy().max(1)
    threshold = small.export_spec.about.threshold
    assert answer["confident"].numpy().tolist() == (sure >= np.float32(threshold)).tolist()
    assert 0 < answer["confident"].numpy().sum() < len(photos)
    kept = json.loads((artefacts / "assets" / "transferkit.json").read_text())
    assert kept["threshold"] == pytest.approx(threshold)
    assert kept["precision"] == 0.95


def test_what_an_artefact_says_survives_json_and_later_keys():
    about = About(("ä", "b"), (3, 4), thresholds=(0.5, 0.25), multi_label=True, threshold=0.5)
    assert About.from_json(about.to_json()) == about
    assert About.from_json(about.to_json().replace("{", '{"of_tomorrow": 1,', 1)) == about
    with pytest.raises(ValueError, match="classes"):
        About.from_json("[]")


@pytest.fixture(scope="module")
def opaque(tmp_path_factory):
    """A SavedModel of somebody else as backbone."""
    import tensorflow as tf

    class Theirs(tf.Module):
        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(tf.random.stateless_normal([5, 5, 3, 16], [1, 2]) / 8)

        @tf.function(input_signature=[tf.TensorSpec([None, 40, 40, 3], tf.float32)])
        def __call__(self, images):
            maps = tf.nn.relu(tf.nn.conv2d(images, self.kernel, 2, "SAME"))
            return tf.reduce_mean(maps, [1, 2])

    folder = tmp_path_factory.mktemp("theirs")
    tf.saved_model.save(Theirs(), str(folder))
    return make_small(f"hub:{folder}")


@pytest.mark.parametrize("name", [name for name in format_names() if not load_format(name).FUNCTIONAL])
def test_an_opaque_backbone_is_carried_by_every_format_that_can(name, opaque, tmp_path):
    needs(name)
    one = load_format(name)
    path = tmp_path / one.FILE if one.FILE else tmp_path
    one.write(opaque.export_spec, path)
    answers = one.read(path).answer(opaque.images)
    if one.TOLERANCE.difference is not None:
        assert np.abs(answers - opaque.wanted).max() <= one.TOLERANCE.difference
    assert (answers.argmax(1) == opaque.wanted.argmax(1)).mean() >= 0.8


def test_keras_refuses_an_opaque_backbone_before_anything_trains(opaque):
    from transferkit.runs.release.artefacts import check_formats

    with pytest.raises(UserError, match=r"'keras'.*one opaque function; leave this format out"):
        check_formats(["keras"], opaque.parts.backbone)
    check_formats(["tflite"], opaque.parts.backbone)


def test_a_format_whose_packages_are_missing_says_what_to_install(small, monkeypatch):
    from transferkit.export.formats import onnx
    from transferkit.runs.release.artefacts import check_formats

    monkeypatch.setattr(onnx, "NEEDS", ("no_such_package",))
    with pytest.raises(
        UserError, match=r"no_such_package; install it with: pip install 'transferkit\[onnx\]'"
    ):
        check_formats(["onnx"], small.parts.backbone)
