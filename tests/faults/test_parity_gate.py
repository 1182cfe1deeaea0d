"""Exports that say something else than the evaluated model in any output of any signature are refused."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from transferkit.data.reader import decoder
from transferkit.export.check_process import Checker
from transferkit.export.export_spec import About, ExportSpec
from transferkit.export.formats import load_format, saved_model
from transferkit.export.outputs import check_outputs, order_of, output_names
from transferkit.runs.release.parity_gate import HeldOut, ParityGate

CLASSES = ("red", "grün", "blue things", "dark")
THRESHOLDS = (0.2, 0.3, 0.4, 0.25)


def make_export_spec(several: bool = False, **facts) -> ExportSpec:
    """Four classes by mean colour: other channels, other sizes and other order are other answers."""
    weights = tf.Variable([[9.0, -5.0, -5.0, -4.0], [-5.0, 9.0, -5.0, -4.0], [-5.0, -5.0, 9.0, -4.0]])
    final = tf.nn.sigmoid if several else tf.nn.softmax

    @tf.function(input_signature=[tf.TensorSpec([None, 16, 24, 3], tf.uint8)], autograph=False)
    def probabilities(images):
        mean = tf.reduce_mean(tf.cast(images, tf.float32) / 255.0, [1, 2])
        return final(tf.matmul(mean, weights) + tf.constant([0.1, 0.0, -0.1, 1.0]))

    about = About(CLASSES, (16, 24), multi_label=several, thresholds=THRESHOLDS if several else (), **facts)
    return ExportSpec(probabilities, [weights], about)


KINDS = {
    "plain": make_export_spec(),
    "abstains": make_export_spec(threshold=0.6, precision=0.9),
    "several": make_export_spec(several=True),
    "cropped": make_export_spec(resize="crop"),
    "padded": make_export_spec(resize="pad"),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(1)
    for number in range(12):
        coarse = (rng.integers(0, 216, 3) + rng.integers(0, 40, (2, 2, 3))).astype(np.uint8)
        image = Image.fromarray(coarse).resize((40 + number, 30), Image.Resampling.BICUBIC)
        image.save(folder / f"{number:02d}.png")
    return sorted(map(str, folder.iterdir()))


@pytest.fixture(scope="module")
def checker():
    with Checker(["saved_model"]) as made:
        yield made


def find(checker, export_spec, photos, name, path):
    """What the gate says of an artefact that should be ``subject``."""
    run = decoder(export_spec.about.decoding)
    images = tf.constant(np.stack([run(Path(file).read_bytes()) for file in photos]))
    given = export_spec.probabilities(images).numpy()
    gate = ParityGate(checker, photos, given.argmax(1), export_spec.about.decoding)
    gate.order(name, path)
    (finding,) = gate.settle(export_spec, HeldOut(photos, given.argmax(1), given, exact=True)).findings
    return finding


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_export_passes_and_every_output_of_both_signatures_was_compared(
    kind, checker, photos, tmp_path
):
    export_spec = KINDS[kind]
    saved_model.write(export_spec, tmp_path)
    finding = find(checker, export_spec, photos, "saved_model", tmp_path)
    assert finding.passed, finding.reason
    names = sorted(output_names(export_spec.about))
    assert finding.to_dict()["outputs"] == {"serving_default": names, "images": names}
    assert all(order_of(name) for name in names)
    assert len(names) == (6 if kind in ("abstains", "several") else 5)


def spoil(**changes):
    """An export's graph in which outputs are something else."""

    class Spoiled(saved_model._Serving):
        @tf.function(autograph=False)
        def answer(self, images):
            outputs = super().answer(images)
            return {**outputs, **{name: change(outputs) for name, change in changes.items()}}

    return Spoiled


class BlueGreenRed(saved_model._Serving):
    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")], autograph=False
    )
    def from_images(self, images):
        return super().from_images(images[..., ::-1])


class OtherSides(saved_model._Serving):
    """Images of any size are turned before they are resized; those of the network's size are not."""

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")], autograph=False
    )
    def from_images(self, images):
        small = tf.reduce_all(tf.shape(images)[1:3] == [16, 24])
        return super().from_images(tf.cond(small, lambda: images, lambda: images[:, :20]))


SPOILED = {
    "labels reversed": (spoil(labels=lambda out: out["labels"][:, ::-1]), "labels is not"),
    "labels in class order": (spoil(labels=lambda out: out["classes"]), "labels is not"),
    "labels of the first image": (
        spoil(labels=lambda out: tf.repeat(out["labels"][:1], tf.shape(out["labels"])[0], 0)),
        "labels is not",
    ),
    "classes reversed": (spoil(classes=lambda out: out["classes"][:, ::-1]), "classes is not"),
    "ids ascending": (spoil(class_ids=lambda out: out["class_ids"][:, ::-1]), "is not in the order"),
    "ids the ranks": (
        spoil(class_ids=lambda out: tf.argsort(out["class_ids"], axis=1)),
        "class_ids is not in the order",
    ),
    "ids double": (spoil(class_ids=lambda out: out["class_ids"] * 0), "each class once"),
    "scores in class order": (spoil(scores=lambda out: out["probabilities"]), "scores is not"),
    "scores as logits": (spoil(scores=lambda out: tf.math.log(out["scores"])), "scores is not"),
    "another output": (spoil(ranks=lambda out: out["class_ids"]), "its outputs are"),
    "blue, green, red": (BlueGreenRed, "a probability differs"),
    "another part": (OtherSides, "a probability differs"),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_spoiled_export_is_refused(what, checker, photos, tmp_path, monkeypatch):
    made, reason = SPOILED[what]
    monkeypatch.setattr(saved_model, "_Serving", made)
    saved_model.write(KINDS["plain"], tmp_path)
    finding = find(checker, KINDS["plain"], photos, "saved_model", tmp_path)
    assert not finding.passed
    assert reason in finding.reason


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("abstains", lambda out: {"confident": ~out["confident"]}, "confident is not"),
        ("abstains", lambda out: {"confident": tf.reduce_max(out["scores"], 1) >= 0.8}, "confident is not"),
        ("several", lambda out: {"present": out["probabilities"] >= 0.5}, "present is not"),
        ("several", lambda out: {"present": out["scores"] >= tf.constant(THRESHOLDS)}, "present is not"),
    ],
)
def test_other_decisions_are_refused(kind, change, reason, checker, photos, tmp_path, monkeypatch):
    (name,) = change(saved_model_outputs(KINDS[kind]))
    monkeypatch.setattr(saved_model, "_Serving", spoil(**{name: lambda out: change(out)[name]}))
    saved_model.write(KINDS[kind], tmp_path)
    finding = find(checker, KINDS[kind], photos, "saved_model", tmp_path)
    assert not finding.passed
    assert reason in finding.reason


def saved_model_outputs(export_spec):
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (3, 16, 24, 3), dtype=np.uint8))
    probabilities = export_spec.probabilities(images)
    return {"probabilities": probabilities, "scores": tf.sort(probabilities, 1, "DESCENDING"),
            "confident": tf.constant([True] * 3)}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("plain", {"temperature": 2.0}),
        ("plain", {"resize": "pad"}),
        ("abstains", {"threshold": 0.5}),
        ("several", {"thresholds": (0.5,) * 4}),
    ],
)
def test_what_it_says_of_itself_is_compared(kind, change, checker, photos, tmp_path):
    export_spec = KINDS[kind]
    saved_model.write(export_spec, tmp_path)
    file = tmp_path / "assets" / "transferkit.json"
    file.write_text(replace(export_spec.about, **change).to_json())
    finding = find(checker, export_spec, photos, "saved_model", tmp_path)
    assert not finding.passed
    assert f"{next(iter(change))} inside is" in finding.reason


def test_signatures_more_or_fewer_are_refused(checker, photos, tmp_path):
    export_spec = KINDS["plain"]
    module = saved_model._Serving(export_spec, _assets(export_spec, tmp_path))
    for number, signatures in enumerate(
        (
            {"serving_default": module.from_bytes},
            {"serving_default": module.from_images, "images": module.from_bytes},
            {"serving_default": module.from_bytes, "images": module.from_images, "more": module.from_images},
        )
    ):
        tf.saved_model.save(module, str(tmp_path / str(number)), signatures=signatures)
        finding = find(checker, export_spec, photos, "saved_model", tmp_path / str(number))
        assert "no others" in finding.reason


def _assets(export_spec, folder):
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in export_spec.about.classes))
    (folder / "transferkit.json").write_text(export_spec.about.to_json())
    return folder


def test_a_tflite_file_with_turned_channels_or_other_labels_is_refused(checker, photos, tmp_path):
    export_spec, tflite = KINDS["plain"], load_format("tflite")
    path = tmp_path / "model.tflite"
    tflite.write(export_spec, path)
    assert find(checker, export_spec, photos, "tflite", path).passed
    turned = replace(export_spec, probabilities=lambda images: export_spec.probabilities(images[..., ::-1]))
    tflite.write(turned, path)
    assert "a probability differs" in find(checker, export_spec, photos, "tflite", path).reason
    path.unlink()
    renamed = replace(export_spec, about=replace(export_spec.about, classes=CLASSES[::-1]))
    tflite.write(renamed, path)
    assert "not the run's classes in their order" in find(checker, export_spec, photos, "tflite", path).reason


def test_labels_beside_the_graph_are_compared_too(checker, photos, tmp_path):
    export_spec, tflite = KINDS["plain"], load_format("tflite")
    path = tmp_path / "model.tflite"
    tflite.write(export_spec, path)
    model = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        about = archive.read("transferkit.json")
        start = archive.infolist()[0].header_offset
    path.write_bytes(model[:start])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "".join(f"{name}\n" for name in reversed(CLASSES)))
        archive.writestr("transferkit.json", about)
    assert json.loads(about)["classes"] == list(CLASSES)
    assert "not the run's classes in their order" in find(checker, export_spec, photos, "tflite", path).reason


def test_a_tie_may_be_ranked_either_way():
    about = About(("a", "b", "c"), (8, 8))
    for ids in ([[0, 1, 2]], [[1, 0, 2]]):
        order = np.array(ids)
        names = np.array([b"a", b"b", b"c"])
        probabilities = np.array([[0.4, 0.4, 0.2]], np.float32)
        outputs = {"labels": names[order], "scores": np.take_along_axis(probabilities, order, 1),
                   "class_ids": order, "classes": names[None], "probabilities": probabilities}  # fmt: skip
        assert check_outputs(outputs, about) is None
    assert "class_ids" in check_outputs({**outputs, "class_ids": np.array([[2, 1, 0]])}, about)
