"""A run as MLflow's model: logged, loaded by pyfunc without transferkit, and as transferkit loads it."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from transferkit import mlflow as flavor
from transferkit.errors import UserError
from transferkit.export.versions import write_export_manifest

pytestmark = pytest.mark.extra

COLOURS = {"dark": (10, 10, 10), "light": (240, 240, 240)}


@pytest.fixture(scope="module")
def version(tmp_path_factory) -> Path:
    """An export that tells dark from light."""
    import tensorflow as tf

    from transferkit.export.export_spec import About, ExportSpec
    from transferkit.export.formats.saved_model import write

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.uint8)])
    def probabilities(images):
        light = tf.reduce_mean(tf.cast(images, tf.float32) / 255, [1, 2, 3])
        return tf.stack([1 - light, light], axis=1)

    folder = tmp_path_factory.mktemp("export")
    (folder / "weights").write_bytes(b"none")
    version = folder / "1"
    version.mkdir()
    write(ExportSpec(probabilities, [], About(tuple(COLOURS), (8, 8))), version)
    write_export_manifest(version, folder / "weights")
    return version


def photos() -> list[bytes]:
    made = []
    for colour in COLOURS.values():
        file = io.BytesIO()
        Image.new("RGB", (9, 7), colour).save(file, "PNG")
        made.append(file.getvalue())
    return made


def test_without_mlflow_it_says_what_to_install(version, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(UserError, match=r"transferkit\[mlflow\]"):
        flavor.save_model(version, tmp_path / "model")


def test_importing_it_imports_no_mlflow_and_no_tensorflow():
    code = "import sys, transferkit.mlflow; assert not {'mlflow', 'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_loader_that_travels_along_imports_no_transferkit():
    import transferkit.mlflow_loader as loader

    code = f"import runpy, sys; sys.modules['transferkit'] = None; runpy.run_path({loader.__file__!r})"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_loader_answers_bytes_and_base64_alike(version):
    pd = pytest.importorskip("pandas", reason="needs transferkit[mlflow]")
    from transferkit.mlflow_loader import ImageClassifier

    model = ImageClassifier(str(version))
    answer = model.predict(pd.DataFrame({"number": [1, 2], "image": photos()}))
    assert answer["label"].tolist() == list(COLOURS)
    assert answer["probability"].min() > 0.9
    assert [len(one) for one in answer["probabilities"]] == [2, 2]
    text = [base64.b64encode(one).decode() for one in photos()]
    assert model.predict(text).equals(answer)
    assert model.predict(text, {"threshold": 0.99})["label"].tolist() == ["", ""]
    with pytest.raises(ValueError):
        model.predict(["/etc/passwd"])


def test_what_else_the_model_says_is_a_column(version, tmp_path):
    pytest.importorskip("pandas", reason="needs transferkit[mlflow]")
    import tensorflow as tf

    from transferkit.export.export_spec import About, ExportSpec
    from transferkit.export.formats.saved_model import write
    from transferkit.mlflow_loader import ImageClassifier

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.uint8)])
    def probabilities(images):
        light = tf.reduce_mean(tf.cast(images, tf.float32) / 255, [1, 2, 3])
        return tf.stack([1 - light, light, tf.ones_like(light)], axis=1)

    about = About((*COLOURS, "grey"), (8, 8), multi_label=True, thresholds=(0.5, 0.5, 0.5), threshold=1.5)
    write(ExportSpec(probabilities, [], about), tmp_path)
    answer = ImageClassifier(str(tmp_path)).predict(photos())
    assert answer["labels"].tolist() == [["dark", "grey"], ["light", "grey"]]
    assert answer["confident"].tolist() == [False, False]
    signed = pytest.importorskip("mlflow") and flavor._signature(tmp_path)
    assert sorted(one.name for one in signed.outputs) == sorted(answer.columns)


def test_what_is_no_image_is_named_by_its_number(version):
    pytest.importorskip("pandas", reason="needs transferkit[mlflow]")
    from transferkit.mlflow_loader import ImageClassifier

    model, (dark, light) = ImageClassifier(str(version)), photos()
    with pytest.raises(ValueError, match=r"image 17, 19: expected an encoded image"):
        model.predict([dark] * 17 + [b"no", light, b""])


@pytest.mark.slow
def test_what_is_logged_is_loaded_and_asked_by_mlflow_itself(version, tmp_path, monkeypatch, capfd):
    mlflow = pytest.importorskip("mlflow", reason="needs transferkit[mlflow]")
    import pandas as pd

    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    with mlflow.start_run():
        info = flavor.log_model(version, name="brightness", metadata={"who": "me"})
    assert [one.name for one in info.signature.inputs] == ["image"]
    frame = pd.DataFrame({"image": photos()})
    answer = mlflow.pyfunc.load_model(info.model_uri).predict(frame)
    assert answer["label"].tolist() == list(COLOURS)
    assert flavor.load_model(info.model_uri).labels == list(COLOURS)
    mlflow.models.predict(info.model_uri, input_data=frame, env_manager="local")
    assert '"label": "dark"' in capfd.readouterr().out
    # Elsewhere there is no transferkit.
    folder = mlflow.artifacts.download_artifacts(artifact_uri=info.model_uri)
    code = (
        "import sys; sys.modules['transferkit'] = None\n"
        f"import mlflow; model = mlflow.pyfunc.load_model({str(folder)!r})\n"
        f"import pandas; photos = pandas.DataFrame({{'image': [{photos()[1]!r}]}})\n"
        "assert model.predict(photos)['label'].tolist() == ['light']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
