"""SavedModels and Hub modules."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from transferkit.backbones import load_backbone
from transferkit.backbones._tensorflow_hub import import_tensorflow_hub
from transferkit.errors import UserError


def save(folder: Path, function: Any, **more: Any) -> str:
    """A SavedModel that calls ``function``; gives its folder."""
    module = tf.Module()
    module.__call__ = function
    tf.saved_model.save(module, str(folder), **more)
    return str(folder)


def test_hub_conventions(hub_folder: Path, images: np.ndarray, wanted: np.ndarray) -> None:
    backbone = load_backbone(f"hub:{hub_folder}")
    assert backbone.name == "module"
    assert backbone.input_size == (32, 32)
    assert backbone.feature_width == 256
    # [0, 1] and back again costs the last bits.
    np.testing.assert_allclose(backbone.features(images), wanted, rtol=1e-4)
    assert len(backbone.weights_sha256) == 64


def test_frozen_whole_or_trained_whole(hub_folder: Path, images: np.ndarray) -> None:
    backbone = load_backbone(f"hub:{hub_folder}")
    whole = np.asarray(backbone.features(images))
    top = backbone.cut(None)
    np.testing.assert_array_equal(top.prefix(images), whole)
    assert top.trainable_variables == ()
    assert len(top.frozen_variables) == 135
    bottom = backbone.cut("images")
    np.testing.assert_array_equal(bottom.suffix(bottom.prefix(images)), whole)
    assert len(bottom.trainable_variables) == 81
    assert len(bottom.frozen_variables) == 54
    assert bottom.fingerprint != top.fingerprint
    with pytest.raises(UserError, match="a stage or layer of module"):
        backbone.cut("block_3")


def test_training_switch_and_penalties(hub_folder: Path, images: np.ndarray) -> None:
    backbone = load_backbone(f"hub:{hub_folder}")
    frozen, live = backbone.cut("images"), backbone.cut("images", batch_norm="train")
    x = frozen.prefix(images)
    np.testing.assert_array_equal(frozen.suffix(x, training=True), frozen.suffix(x))
    assert live.frozen_variables == ()
    kernel = next(one for one in backbone.variables if one.name.startswith("conv1/kernel"))
    (penalty,) = frozen.regularisation_losses
    assert float(penalty()) == pytest.approx(0.5 * float(tf.reduce_sum(kernel**2)), rel=1e-5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(live.suffix(x, training=True) ** 2)
    gradients = tape.gradient(loss, list(live.trainable_variables))
    assert all(gradient is not None for gradient in gradients)
    # In training mode the batch's own statistics are used.
    assert not np.allclose(live.suffix(x, training=True), frozen.suffix(x))


def test_fingerprint_follows_the_files(hub_folder: Path, tmp_path: Path) -> None:
    first = load_backbone(f"hub:{hub_folder}").cut(None).fingerprint
    copy = shutil.copytree(hub_folder, tmp_path / "copy")
    assert load_backbone(f"hub:{copy}").cut(None).fingerprint == first
    assert load_backbone(f"saved_model:{copy}", normalisation="tf").cut(None).fingerprint != first


def test_serving_signature_alone(
    application: Any, images: np.ndarray, wanted: np.ndarray, tmp_path: Path
) -> None:
    application.export(str(tmp_path / "export"), verbose=False)
    backbone = load_backbone(f"saved_model:{tmp_path / 'export'}", normalisation="tf")
    np.testing.assert_allclose(backbone.features(images), wanted, rtol=1e-4)
    with pytest.raises(UserError, match="it was exported frozen"):
        backbone.cut("images")


def test_maps_are_averaged_and_raw_bytes_stay(tmp_path: Path) -> None:
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
    doubled = tf.function(lambda images: 2.0 * tf.cast(images, tf.float32), input_signature=[spec])
    backbone = load_backbone(f"saved_model:{save(tmp_path / 'map', doubled)}", input_size=(6, 4))
    image = np.random.default_rng(0).integers(0, 256, (2, 6, 4, 3), dtype=np.uint8)
    np.testing.assert_allclose(backbone.features(image), 2 * image.mean((1, 2)), rtol=1e-5)
    assert backbone.input_size == (6, 4)


def test_takes_no_image(tmp_path: Path) -> None:
    spec = tf.TensorSpec([None], tf.string)
    text = tf.function(tf.strings.length, input_signature=[spec])
    with pytest.raises(
        UserError, match=r"a module that takes images \[N, height, width, 3\]; it takes .*string"
    ):
        load_backbone(f"saved_model:{save(tmp_path / 'text', text)}")


def test_other_modules_that_cannot_serve(tmp_path: Path) -> None:
    spec = tf.TensorSpec([1, 8, 8, 3], tf.float32)
    one = tf.function(lambda x: tf.reduce_mean(x, [1, 2]), input_signature=[spec])
    with pytest.raises(UserError, match="any number of images at once; it takes exactly 1"):
        load_backbone(f"hub:{save(tmp_path / 'one', one)}")
    spec = tf.TensorSpec([None, 8, 8, 3], tf.float32)
    deep = tf.function(lambda x: x[..., None, None], input_signature=[spec])
    with pytest.raises(UserError, match=r"features \[N, width\] or a map"):
        load_backbone(f"hub:{save(tmp_path / 'deep', deep)}")
    fixed = tf.function(lambda x: tf.reduce_mean(x, [1, 2]), input_signature=[spec])
    with pytest.raises(UserError, match="the module's own"):
        load_backbone(f"hub:{save(tmp_path / 'fixed', fixed)}", input_size=(16, 16))


def test_not_a_saved_model(tmp_path: Path, hub_folder: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        load_backbone(f"hub:{tmp_path / 'none'}")
    with pytest.raises(UserError, match=r"a folder with saved_model\.pb"):
        load_backbone(f"saved_model:{tmp_path}")
    copy = shutil.copytree(hub_folder, tmp_path / "copy")
    graph = copy / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:5000])
    with pytest.raises(UserError, match="perhaps cut short"):
        load_backbone(f"saved_model:{copy}")
    copy = shutil.copytree(hub_folder, tmp_path / "copy2")
    data = next((copy / "variables").glob("*.data*"))
    data.write_bytes(data.read_bytes()[:5000])
    with pytest.raises(UserError, match="a whole SavedModel"):
        load_backbone(f"saved_model:{copy}")


def test_tf1_formats_are_called_so(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "tfhub_module.pb").write_bytes(b"\x08\x03")
    with pytest.raises(UserError, match=r"TF1 format \(it is a module for hub\.Module\)"):
        load_backbone(f"hub:{tmp_path / 'hub'}")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3])
        y = tf.reduce_mean(x, [1, 2])
        tf.compat.v1.saved_model.simple_save(session, str(tmp_path / "v1"), {"x": x}, {"y": y})
    with pytest.raises(UserError, match="TF1 format"):
        load_backbone(f"saved_model:{tmp_path / 'v1'}")


@pytest.mark.parametrize("cache", [None, "/somewhere"])
def test_handle_without_network(cache: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = import_tensorflow_hub()

    def refuse(handle: str) -> str:
        raise OSError("<urlopen error [Errno -2] Name or service not known>")

    monkeypatch.setattr(hub, "resolve", refuse)
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    if cache:
        monkeypatch.setenv("TFHUB_CACHE_DIR", cache)
    with pytest.raises(UserError) as caught:
        load_backbone("hub:https://tfhub.dev/google/imagenet/x/1")
    text = str(caught.value)
    assert "https://tfhub.dev/google/imagenet/x/1 is unavailable" in text
    assert "Name or service not known" in text
    assert ("TFHUB_CACHE_DIR is /somewhere" if cache else "TFHUB_CACHE_DIR is not set") in text
    assert "hub:PATH" in text


def test_handle_from_the_cache(
    hub_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: np.ndarray
) -> None:
    """A module that lies in TFHUB_CACHE_DIR needs no network."""
    import hashlib

    hub = import_tensorflow_hub()

    handle = "https://tfhub.dev/google/imagenet/small/1"
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    # The cache names its folders by the SHA-1 of the handle.
    shutil.copytree(hub_folder, tmp_path / hashlib.sha1(handle.encode()).hexdigest())
    assert hub.resolve(handle).startswith(str(tmp_path))
    backbone = load_backbone(f"hub:{handle}")
    local = load_backbone(f"hub:{hub_folder}")
    np.testing.assert_array_equal(backbone.features(images), local.features(images))


def test_tensorflow_hub_is_imported_where_setuptools_brings_no_pkg_resources() -> None:
    script = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "pkg_resources" else found(name, *more)
from transferkit.backbones._tensorflow_hub import import_tensorflow_hub
hub = import_tensorflow_hub()
assert hub is import_tensorflow_hub() and callable(hub.load)
assert "pkg_resources" not in sys.modules, "the stand-in is taken away"
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
