"""The gate: what answers otherwise is refused, and its process never outlives its run."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transferkit.data.image_facts import read_facts
from transferkit.data.pixels.decoding import Decoding
from transferkit.export import variants
from transferkit.export.answers_file import save_answers
from transferkit.export.check_process import Checker
from transferkit.export.export_spec import About
from transferkit.export.formats import load_format
from transferkit.export.formats._base import EXACT, Tolerance
from transferkit.export.parity import Reference, judge
from transferkit.export.variants import VARIANTS, Variant, write_variants

CLASSES = ("a", "b")
COUNTED = Tolerance(None, 0.98)


def judged(
    given, wanted, tolerance=EXACT, labels=None, tmp_path=None, classes=CLASSES, thresholds=(), inside=None
):
    answered = [("serving_default", "files", {"probabilities": np.asarray(given, np.float32)})]
    save_answers(tmp_path / "answers.npz", answered)
    wanted = np.asarray(wanted, np.float32)
    reference = Reference([str(number) for number in range(len(wanted))], wanted, labels)
    about = About(CLASSES, (8, 8), multi_label=bool(thresholds), thresholds=tuple(thresholds))
    said = {**json.loads(about.to_json()), "thresholds": list(inside or thresholds), "transferkit": "0.0"}
    said["classes"] = list(classes)
    reply = {"labels": list(classes), "about": said, "all_outputs": False, "seconds": 1.5}
    return judge("tflite", "f", tolerance, reference, about, reply, tmp_path / "answers.npz")


def test_a_difference_above_the_tolerance_is_refused_and_one_below_it_is_not(tmp_path):
    wanted = [[0.7, 0.3], [0.2, 0.8]]
    near = judged([[0.70005, 0.29995], [0.2, 0.8]], wanted, tmp_path=tmp_path)
    assert near.passed
    assert near.largest_difference == pytest.approx(5e-5, rel=1e-2)
    far = judged([[0.7003, 0.2997], [0.2, 0.8]], wanted, tmp_path=tmp_path)
    assert not far.passed
    assert "3.0e-04" in far.reason
    assert "1e-04" in far.reason
    assert far.to_dict()["passed"] is False


def test_labels_in_another_order_are_refused(tmp_path):
    same = [[0.7, 0.3]]
    assert "order" in judged(same, same, tmp_path=tmp_path, classes=("b", "a")).reason


def test_a_tie_within_the_tolerance_has_two_right_answers(tmp_path):
    assert judged([[0.49999, 0.50001]], [[0.50001, 0.49999]], tmp_path=tmp_path).passed


def test_quantised_answers_are_counted(tmp_path):
    wanted = np.tile([[0.9, 0.1]], (100, 1))
    given = wanted.copy()
    given[:2] = [0.4, 0.6]
    labels = np.zeros(100, np.int64)
    assert judged(given, wanted, COUNTED, labels, tmp_path).passed
    given[2] = [0.4, 0.6]
    found = judged(given, wanted, COUNTED, labels, tmp_path)
    assert found.agreement == pytest.approx(0.97)
    assert "97.0% of 100 images" in found.reason
    assert "accuracy on them 0.970, the model's 1.000" in found.reason


def test_with_several_labels_an_image_agrees_when_all_its_decisions_do(tmp_path):
    wanted = np.tile([[0.9, 0.35]], (50, 1))
    given = wanted.copy()
    given[:2, 1] = 0.25  # the second label is no longer given; the most probable one stays the same
    found = judged(given, wanted, COUNTED, tmp_path=tmp_path, thresholds=(0.5, 0.3))
    assert found.agreement == pytest.approx(0.96), "98 of 100 decisions are the same, but 48 of 50 images"
    assert not found.passed
    given[:2, 0] = 0.4  # an image counts once, however many of its decisions differ
    found = judged(given, wanted, COUNTED, tmp_path=tmp_path, thresholds=(0.5, 0.3))
    assert found.agreement == pytest.approx(0.96)
    at_the_edge = judged([[0.9, 0.30001]], [[0.9, 0.29999]], tmp_path=tmp_path, thresholds=(0.5, 0.3))
    assert at_the_edge.passed
    assert at_the_edge.agreement == 1.0


def test_an_artefact_with_other_thresholds_is_refused(tmp_path):
    found = judged([[0.9, 0.1]], [[0.9, 0.1]], tmp_path=tmp_path, thresholds=(0.5, 0.3), inside=(0.5, 0.5))
    assert "thresholds inside is [0.5, 0.5], the run's is [0.5, 0.3]" in found.reason


def test_answers_that_are_no_numbers_or_of_another_shape_are_refused(tmp_path):
    assert not judged([[np.nan, 0.3]], [[0.7, 0.3]], tmp_path=tmp_path).passed
    assert not judged([[0.7, 0.2, 0.1]], [[0.7, 0.3]], COUNTED, tmp_path=tmp_path).passed


def test_variants_are_what_they_are_called(photos, tmp_path):
    written, left_out = write_variants([tmp_path / "missing.jpg", *photos[:3]], tmp_path, Decoding((24, 32)))
    assert left_out == {}
    assert set(written) == {one.name for one in VARIANTS}
    modes = {name: (image.format, image.mode) for name, image in _opened(written)}
    assert modes.items() >= {
        "alpha grey": ("PNG", "LA"), "alpha webp": ("WEBP", "RGBA"), "deep": ("PNG", "I;16"),
        "jpeg": ("JPEG", "RGB"), "png": ("PNG", "RGB"), "greyscale": ("JPEG", "L"),
        "cmyk": ("JPEG", "CMYK"), "palette": ("PNG", "P"), "alpha": ("PNG", "RGBA"),
    }.items()  # fmt: skip
    turns = [read_facts(io.BytesIO(written[f"exif {turn}"].read_bytes())).orientation for turn in range(1, 9)]
    assert turns == list(range(1, 9))
    orders = {written[f"exif {turn}"].read_bytes()[30:32] for turn in (1, 2)}
    assert orders == {b"II", b"MM"}


def test_a_variant_that_cannot_be_made_is_left_out_and_named(photos, tmp_path, monkeypatch):
    def broken(image):
        raise KeyError("as some writers do")

    monkeypatch.setattr(variants, "VARIANTS", (VARIANTS[0], Variant("new", ".png", broken)))
    written, left_out = write_variants(photos[:1], tmp_path, Decoding((24, 32)))
    assert (list(written), list(left_out)) == (["jpeg"], ["new"])
    assert write_variants([tmp_path / "missing.jpg"], tmp_path, Decoding((24, 32))) == ({}, {})


def _opened(files):
    for name, file in files.items():
        with Image.open(file) as image:
            yield name, image


@pytest.fixture(scope="module")
def checker():
    with Checker(["saved_model", "tflite"]) as made:
        yield made


def check(checker, name, path, small, files, tmp_path):
    """What the checker finds of an artefact, against the network's answers to the same files."""
    from transferkit.runs.release.parity_gate import HeldOut, ParityGate

    labels = small.wanted.argmax(1)[: len(files)]
    gate = ParityGate(checker, files, labels, small.export_spec.about.decoding, images=len(files))
    gate.order(name, path)
    held_out = HeldOut(files, labels, evaluated(small, files), exact=True)
    return gate.settle(small.export_spec, held_out)


def evaluated(small, files):
    import tensorflow as tf

    from transferkit.data.reader import decoder

    run = decoder(small.export_spec.about.decoding)
    images = np.stack([run(Path(file).read_bytes()) for file in files])
    return small.export_spec.probabilities(tf.constant(images)).numpy()


@pytest.mark.parametrize("name", ["saved_model", "tflite"])
def test_a_sound_artefact_passes_on_photos_and_variants(name, checker, small, artefacts, photos, tmp_path):
    path = artefacts / load_format(name).FILE
    result = check(checker, name, path, small, photos, tmp_path)
    (finding,) = result.findings
    assert finding.passed, finding.reason
    assert finding.images == len(photos) + len(VARIANTS)
    assert finding.largest_difference < 1e-4
    assert result.facts["evaluation"]["reason"] is None
    assert result.facts["variants"] == sorted(one.name for one in VARIANTS)


def test_other_weights_preprocessing_or_labels_are_refused(
    checker, small, artefacts, photos, tmp_path, monkeypatch
):
    from .conftest import make_small

    other = make_small(temperature=1.0)
    tflite = load_format("tflite")
    tflite.write(other.export_spec, tmp_path / "model.tflite")
    (finding,) = check(checker, "tflite", tmp_path / "model.tflite", small, photos, tmp_path).findings
    assert "differs by" in finding.reason

    shutil.copy(artefacts / "model.tflite", tmp_path / "cut.tflite")
    os.truncate(tmp_path / "cut.tflite", 100_000)
    (finding,) = check(checker, "tflite", tmp_path / "cut.tflite", small, photos, tmp_path).findings
    assert "cannot be loaded and run" in finding.reason

    folder = tmp_path / "swapped"
    shutil.copytree(artefacts, folder)
    labels = folder / "assets" / "labels.txt"
    labels.write_text("".join(reversed(labels.read_text().splitlines(keepends=True))))
    (finding,) = check(checker, "saved_model", folder, small, photos, tmp_path).findings
    assert "order" in finding.reason


def test_figures_of_another_network_than_the_exported_one_are_refused(
    checker, small, artefacts, photos, tmp_path
):
    from transferkit.runs.release.parity_gate import HeldOut, ParityGate

    labels = np.zeros(len(photos), np.int64)
    gate = ParityGate(checker, photos, labels, small.export_spec.about.decoding)
    gate.order("tflite", artefacts / "model.tflite")
    wrong = np.roll(evaluated(small, photos), 1, axis=1)
    (finding,) = gate.settle(small.export_spec, HeldOut(photos, labels, wrong)).findings
    assert "from the probabilities that were evaluated" in finding.reason


PARENT = """
import sys, time
from transferkit.export.check_process import Checker
checker = Checker(["saved_model"])
print(checker.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
@pytest.mark.parametrize("after", [0.0, 2.0], ids=["at once", "while it imports"])
def test_a_killed_run_leaves_no_process_behind(after):
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    time.sleep(after)
    assert _lives(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 20
    while _lives(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state != "Z"
    except FileNotFoundError:
        return False


def test_a_process_that_ends_by_itself_is_a_reason_and_no_crash(tmp_path):
    with Checker(["no_such_format"]) as checker:
        checker.order("tflite", tmp_path / "x.tflite", [], tmp_path / "x.npy")
        assert "did you mean" in checker.reply()["error"] or "ended" in checker.reply()["error"]
        assert "error" in checker.reply()
    assert not _lives(checker.pid)


def test_files_in_the_working_folder_stand_in_for_no_library(artefacts, photos, tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise RuntimeError('not the library')")
    monkeypatch.chdir(tmp_path)
    with Checker(["tflite"]) as checker:
        checker.order("tflite", artefacts / "model.tflite", [str(photos[0])], tmp_path / "answers.npz")
        assert "error" not in checker.reply()
    with np.load(tmp_path / "answers.npz") as answers:
        assert answers["serving_default|files|probabilities"].shape == (1, 3)
