"""Paths with ``[ ]``, ``*``, ``?`` and backslashes: TensorFlow matches them as patterns, users mean them."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image

import transferkit
from transferkit.cli import cli
from transferkit.estimator import Estimator, EstimatorSpec, RunConfig, export
from transferkit.files.plain_path import is_pattern, plain_path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="such names are not allowed there")

NAME = r"exp[1] a*b?c\d {x,y}'%d"


@pytest.mark.parametrize(
    ("path", "special"),
    [
        ("runs/exp[1]/model.ckpt-4", True),
        ("a*b", True),
        ("what?", True),
        ("back\\slash", True),
        ("only]closing{x,y}", False),
        ("gs://bucket/exp[1]", False),
        ("plain/path", False),
    ],
)
def test_what_tensorflow_takes_for_a_pattern(path, special):
    assert is_pattern(path) is special
    if not special:
        assert plain_path(path) == path


def test_another_name_reaches_the_same_files_also_where_the_last_part_is_special(tmp_path):
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "model[2].index").write_text("a")
    (folder / "model[2].data-0").write_text("b")
    for path in (folder, folder / "model[2]", folder / "not there yet"):
        assert not is_pattern(plain_path(path))
    assert os.path.samefile(plain_path(folder), folder)
    assert Path(plain_path(folder / "model[2]") + ".index").read_text() == "a"
    assert Path(plain_path(folder / "model[2]") + ".data-0").read_text() == "b"
    assert plain_path(folder) == plain_path(folder)
    shutil.rmtree(Path(plain_path(folder)).parent)
    assert os.path.samefile(plain_path(folder), folder), "a temporary folder that was cleaned is made again"


def test_nothing_of_it_stays_when_the_process_ends(tmp_path):
    (tmp_path / "a[1]").mkdir()
    code = (
        f"from transferkit.files.plain_path import plain_path; print(plain_path({str(tmp_path / 'a[1]')!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    link = Path(done.stdout.strip())
    assert not is_pattern(link)
    assert not link.parent.exists()


def test_a_temporary_folder_of_such_a_name_stands_in_no_converter_s_way(tmp_path, monkeypatch):
    from transferkit.files.plain_path import plain_temporary_folder

    (tmp_path / NAME).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / NAME))
    with plain_temporary_folder():
        inside = tempfile.mkdtemp()
        assert not is_pattern(inside)
        assert os.path.samefile(Path(inside).parent, tmp_path / NAME)
    assert tempfile.tempdir == str(tmp_path / NAME)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with plain_temporary_folder():
        assert tempfile.gettempdir() == str(tmp_path)


def model_fn(features, labels, mode):
    weights = tf.compat.v1.get_variable("w", [3, 2])
    logits = tf.matmul(features["x"], weights)
    if mode == "infer":
        outputs = export.PredictOutput({"p": logits})
        return EstimatorSpec(mode, predictions={"p": logits}, export_outputs={"serving_default": outputs})
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
    return EstimatorSpec(
        mode, loss=loss, train_op=optimizer.minimize(loss, tf.compat.v1.train.get_global_step())
    )


def input_fn():
    x = np.random.RandomState(0).randn(32, 3).astype("float32")
    return tf.data.Dataset.from_tensor_slices(({"x": x}, (x[:, 0] > 0).astype("int64"))).batch(8).repeat(2)


def test_an_estimator_reads_its_own_checkpoints(tmp_path):
    folder = str(tmp_path / NAME)
    config = RunConfig(keep_checkpoint_max=2, save_checkpoints_steps=2)
    Estimator(model_fn, folder, config).train(input_fn, steps=6)
    again = Estimator(model_fn, folder, config)
    assert again.evaluate(input_fn)["global_step"] == 6
    assert again.get_variable_names() == ["global_step", "w"]
    kept = again.get_variable_value("w")
    assert kept.shape == (3, 2)
    again.train(input_fn, steps=4)
    latest = again.latest_checkpoint()
    assert latest.endswith("model.ckpt-10")
    assert latest.startswith(folder)
    assert Estimator(model_fn, folder).evaluate(input_fn, checkpoint_path=latest)["global_step"] == 10
    for source in (folder, latest):
        warm = Estimator(model_fn, str(tmp_path / "warm"), warm_start_from=source)
        warm.train(input_fn, steps=1)
        shutil.rmtree(tmp_path / "warm")
    receiver = export.build_raw_serving_input_receiver_fn({"x": tf.TensorSpec([None, 3], tf.float32)})
    made = again.export_saved_model(os.path.join(folder, "export"), receiver)
    serve = tf.saved_model.load(plain_path(made)).signatures["serving_default"]
    given = serve(x=tf.ones([1, 3]))["p"].numpy()
    np.testing.assert_allclose(given, np.ones([1, 3]) @ again.get_variable_value("w"), rtol=1e-5)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project folder with such a name, a run of such a name in it, photos beside it."""
    folder = tmp_path_factory.mktemp("projects") / NAME
    rng = np.random.default_rng(7)
    for name, colour in (("brick", (200, 60, 40)), ("leaf", (50, 180, 60))):
        place = folder / "photos [v1]" / name
        place.mkdir(parents=True)
        for number in range(16):
            pixels = np.clip(np.array(colour) + rng.normal(0, 25, (48, 48, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number:03d}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        settings = ["epochs=1", 'export.formats=["tflite","keras"]', "evaluation.grad_cam=0"]
        transferkit.retrain(
            backbone="embedded", data="photos [v1]", run=f"runs/{NAME}", overrides=settings, quiet=True
        )
    return folder


def call(*arguments):
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.slow
def test_a_run_is_trained_exported_checked_and_used(project, monkeypatch):
    monkeypatch.chdir(project)
    run, photo = Path("runs", NAME), Path("photos [v1]", "leaf", "000.png")
    version = run / "export" / "1"
    assert {"saved_model.pb", "model.tflite", "model.keras"} <= {path.name for path in version.iterdir()}
    for named in ((run, photo), (project / run, project / photo)):
        assert call("predict", *named).startswith(f"{named[1]}  leaf ")
    assert "unchanged" in call("verify", run)
    assert "parity        passed" in call("inspect", run)
    assert "accuracy" in call("evaluate", run, "-q")
    assert call("export", run, "--format", "tflite", "-q").strip() == str(run / "export" / "2")
    call("export", run, "--to", "models[v1]", "-q")
    assert "leaf" in call("predict", "models[v1]", photo)


@pytest.mark.slow
def test_the_lines_of_the_report_work_when_pasted(project, monkeypatch):
    page = (project / "runs" / NAME / "report.html").read_text("utf-8")
    lines = html.unescape(
        re.search(r"<code>(import os\nimport tensorflow as tf.*?)</code>", page, re.DOTALL)[1]
    )
    shutil.copy(project / "photos [v1]" / "leaf" / "000.png", project / "photo.jpg")
    done = subprocess.run(
        [sys.executable, "-c", lines], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[0] == "leaf"


def test_a_backbone_s_checkpoint_and_saved_model_are_found_there(tmp_path):
    from transferkit.backbones.weights.checkpoint import find_checkpoint

    folder = tmp_path / NAME
    variable = tf.Variable(3.0)
    prefix = tf.train.Checkpoint(v=variable).write(str(folder / "my[1]"))
    assert find_checkpoint(folder) == Path(prefix)
    reader = tf.train.load_checkpoint(plain_path(prefix))
    assert reader.get_tensor("v/.ATTRIBUTES/VARIABLE_VALUE") == 3.0
    tf.train.CheckpointManager(tf.train.Checkpoint(v=variable), str(folder / "managed"), 2).save()
    assert find_checkpoint(folder / "managed").name == "ckpt-1"
