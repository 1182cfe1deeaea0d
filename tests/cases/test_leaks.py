"""Figures say what they are worth: copies of training images, and images that chose the epoch."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import transferkit
from transferkit.cli import cli


def write(root, names, each, first=0):
    for label, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for k in range(first, first + each):
            pixels = np.random.default_rng(100 * label + k).normal(60 + 90 * label, 25, (24, 24, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / name / f"{k}.png")
    return root


def retrain(data, place, *words):
    words = ("epochs=2", "evaluation.grad_cam=0", "export.parity=false", *words)
    return transferkit.retrain(data=data, run=place, backbone="embedded", quiet=True, overrides=words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("leaks")


@pytest.fixture(scope="module")
def copied(folder):
    """A run whose validation images all are training images."""
    write(folder / "copied" / "train", "ab", 8)
    shutil.copytree(folder / "copied" / "train", folder / "copied" / "val")
    return retrain(folder / "copied", folder / "runs" / "copied")


@pytest.fixture(scope="module")
def partly(folder):
    """A run with four copies among twelve test images."""
    root = folder / "partly"
    write(root / "train", "ab", 12)
    write(root / "test", "ab", 4, first=50)
    for name in "ab":
        for k in (0, 1):
            shutil.copy(root / "train" / name / f"{k}.png", root / "test" / name / f"copy {k}.png")
    return retrain(root, folder / "runs" / "partly")


def call(*arguments):
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done.output


def test_copies_alone_are_no_measure(copied):
    report = (copied.path / "report.html").read_text("utf-8")
    assert "<strong>Not measured. 16 of 16 validation images are copies of training images" in report
    assert "Good." not in report
    first = copied.describe().splitlines()[0]
    assert first.startswith("LEAK: 16 of 16 validation images are copies of training images: ")
    card = (copied.export_folder / "README.md").read_text("utf-8")
    title, warning = [line for line in card.split("---\n", 2)[2].splitlines() if line][:2]
    assert title == "# copied"
    assert warning.startswith("> **16 of 16 validation images are copies")
    assert copied.summary["independence"]["copies"] == 16


@pytest.mark.slow
def test_what_the_images_chose_stands_beside_their_figures(copied, partly):
    beside = "the validation images also chose the epoch"
    assert f"2 classes ({beside})" in copied.describe()
    assert beside in (copied.path / "report.html").read_text("utf-8")
    assert beside in (copied.export_folder / "README.md").read_text("utf-8")
    assert beside in call("evaluate", copied.path, "-q")
    # What the test images are worth owes nothing to the choice.
    assert beside not in partly.describe()
    assert beside not in call("evaluate", partly.path, "-q")
    assert beside in call("evaluate", partly.path, "--split", "val", "-q")


def test_a_few_copies_leave_the_figure_of_the_others(partly):
    evaluation = partly.evaluation
    others = [
        right for right, path in zip(evaluation.correct, evaluation.paths, strict=True) if "copy" not in path
    ]
    assert len(others) == 8
    first = partly.describe().splitlines()[0]
    assert first.startswith("LEAK: 4 of 12 test images are copies of training or validation images; accuracy")
    assert first.endswith(f"accuracy {np.mean(others):.3f} on the others")
    assert f"{np.mean(others):.1%} of the 8 others" in (partly.path / "report.html").read_text("utf-8")
    assert first in call("evaluate", partly.path, "-q")


def test_other_data_is_compared_with_what_was_trained_on(partly, folder):
    fresh = write(folder / "fresh", "ab", 3, first=80)
    assert "LEAK" not in call("evaluate", partly.path, "--data", fresh, "-q")
    shutil.copy(folder / "partly" / "train" / "a" / "3.png", fresh / "a" / "again.png")
    assert "LEAK: 1 of 7 images are copies of training or validation images; accuracy" in call(
        "evaluate", partly.path, "--data", fresh, "-q"
    )


def test_the_images_of_one_class_alone_are_evaluated_from_any_source(partly, folder):
    write(folder / "one", "a", 4, first=90)
    table = folder / "one.csv"
    table.write_text("path,label\n" + "".join(f"one/a/{k}.png,a\n" for k in range(90, 94)))
    shutil.make_archive(str(folder / "one"), "zip", folder / "one")
    for source in (folder / "one", table, folder / "one.zip"):
        assert partly.evaluate(source).metrics["samples"] == 4


def test_a_split_that_is_empty_is_refused_with_those_that_are_there(partly, folder):
    for arguments, says in (
        ((partly.path, "--data", folder / "one", "--split", "test"), "no split, since the data has none"),
        ((partly.path, "--data", folder / "one", "--split", "val"), "leave the option out"),
        (
            (folder / "runs" / "copied", "--split", "test"),
            "received 'test', expected a split that the data has: train (16), val (16)",
        ),
    ):
        done = CliRunner().invoke(cli, ["evaluate", *map(str, arguments)])
        assert isinstance(done.exception, transferkit.UserError), done.exception
        assert says in str(done.exception)


def test_what_is_left_out_of_an_evaluation_is_named(partly, folder):
    data = write(folder / "holes", "ab", 25, first=200)
    (data / "a" / "empty.png").write_bytes(b"")
    (data / "b" / "gone.png").symlink_to(data / "nowhere.png")
    said = call("evaluate", partly.path, "--data", data, "-q")
    assert "left out 1 file: missing (b/gone.png: a symbolic link to nothing" in said
    assert "left out 1 file: unreadable (a/empty.png: the file is empty)" in said
    assert '"notes"' in call("evaluate", partly.path, "--data", data, "-q", "--json")
    for k in range(5):
        (data / "a" / f"empty {k}.png").write_bytes(b"")
    done = CliRunner().invoke(cli, ["evaluate", str(partly.path), "--data", str(data)])
    assert "6 of 57 files unreadable" in str(done.exception)
