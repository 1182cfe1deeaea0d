"""Weights: every form is loaded whole and hashed; what does not fit is shown as a difference."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from transferkit.backbones import load_backbone
from transferkit.errors import UserError


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def files(application: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One network's weights in every form."""
    folder = tmp_path_factory.mktemp("weights")
    application.save_weights(folder / "new.weights.h5")
    application.save(folder / "whole.h5")
    tf.train.Checkpoint(model=application).save(str(folder / "objects" / "ckpt"))
    return folder


@pytest.mark.parametrize("name", ["new.weights.h5", "whole.h5", "objects"])
def test_forms(files: Path, name: str, images: np.ndarray, wanted: np.ndarray) -> None:
    backbone = load_backbone("mobilenet_0_25", str(files / name), (32, 32))
    np.testing.assert_array_equal(backbone.features(images), wanted)
    assert len(backbone.weights_sha256) == 64
    if name.endswith(".h5"):
        assert backbone.weights_sha256 == sha256(files / name)


def test_checkpoint_by_the_variables_own_names(
    application: Any, images: np.ndarray, wanted: np.ndarray, tmp_path: Path
) -> None:
    values = {variable.path: np.asarray(variable) for variable in application.weights}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for path, value in values.items():
            tf.compat.v1.get_variable(path, initializer=value)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    backbone = load_backbone("mobilenet_0_25", str(tmp_path), (32, 32))
    np.testing.assert_array_equal(backbone.features(images), wanted)


@pytest.mark.parametrize("name", ["new.weights.h5", "whole.h5", "objects"])
def test_mismatch_shows_both_lists(files: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        load_backbone("mobilenet_v2", str(files / name), (32, 32))
    text = str(caught.value)
    assert "the file (-) holds 135 tensors, the backbone (+) 260" in text
    assert "\n  - " in text
    assert "\n  + " in text
    assert "[3, 3, 3, 8]" in text or "[8]" in text
    assert len(text.splitlines()) < 40


def test_one_checkpoint_of_several(
    files: Path, tmp_path: Path, images: np.ndarray, wanted: np.ndarray
) -> None:
    (prefix,) = {file.with_suffix("") for file in (files / "objects").glob("*.index")}
    for given in (prefix, prefix.with_name(f"{prefix.name}.index")):
        backbone = load_backbone("mobilenet_0_25", str(given), (32, 32))
        np.testing.assert_array_equal(backbone.features(images), wanted)
    # Without the file that tells the latest, a folder's only checkpoint is meant; of two, none is.
    for file in (files / "objects").glob(f"{prefix.name}.*"):
        (tmp_path / f"only{file.suffix}").write_bytes(file.read_bytes())
    alone = load_backbone("mobilenet_0_25", str(tmp_path), (32, 32))
    np.testing.assert_array_equal(alone.features(images), wanted)
    sha256_alone = alone.weights_sha256
    (tmp_path / "notes.txt").write_text("what else lies there is not loaded")
    assert load_backbone("mobilenet_0_25", str(tmp_path), (32, 32)).weights_sha256 == sha256_alone
    (tmp_path / "other.index").write_bytes(b"")
    with pytest.raises(UserError, match="or several"):
        load_backbone("mobilenet_0_25", str(tmp_path), (32, 32))


def test_mismatch_of_one_shape_alone(tmp_path: Path, application: Any) -> None:
    wider = keras.applications.MobileNet(alpha=0.5, include_top=False, weights=None, input_shape=(32, 32, 3))
    wider.save(tmp_path / "wider.h5")
    with pytest.raises(UserError, match=r"- conv1/kernel \[3, 3, 3, 16\]"):
        load_backbone("mobilenet_0_25", str(tmp_path / "wider.h5"), (32, 32))


@pytest.mark.parametrize("name", ["new.weights.h5", "whole.h5"])
def test_truncated(files: Path, name: str, tmp_path: Path) -> None:
    cut_short = tmp_path / name
    cut_short.write_bytes((files / name).read_bytes()[:100_000])
    with pytest.raises(UserError, match=r"perhaps cut short.*100000 bytes"):
        load_backbone("mobilenet_0_25", str(cut_short), (32, 32))


def test_truncated_checkpoint(files: Path, tmp_path: Path) -> None:
    for file in (files / "objects").iterdir():
        whole = file.read_bytes()
        (tmp_path / file.name).write_bytes(whole[: len(whole) // 2] if "index" in file.name else whole)
    with pytest.raises(UserError, match="perhaps cut short"):
        load_backbone("mobilenet_0_25", str(tmp_path), (32, 32))


def test_no_weights_at_all(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with pytest.raises(UserError, match="it holds none"):
        load_backbone("mobilenet_0_25", str(tmp_path / "empty.h5"), (32, 32))
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="a folder with a TensorFlow checkpoint"):
        load_backbone("mobilenet_0_25", str(tmp_path / "folder"), (32, 32))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("no/such.h5", "no such file"),
        ("imgenet", "'imagenet', 'random' or a path"),
        ("{}/a.npz", ".weights.h5 or"),
    ],
)
def test_what_is_no_weights(tmp_path: Path, given: str, said: str) -> None:
    (tmp_path / "a.npz").write_bytes(b"")
    with pytest.raises(UserError, match=said):
        load_backbone("mobilenet_0_25", given.format(tmp_path), (32, 32))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Keras cache with nothing in it, and no network."""

    def refuse(name: str, origin: str, **_: Any) -> str:
        raise Exception(f"URL fetch failure on {origin}: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(keras.utils, "get_file", refuse)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


def test_offline_says_which_file_and_three_ways(offline: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_backbone("nasnet_mobile")
    text = str(caught.value)
    assert len(caught.value.faults) == 1
    # The name in the cache is not the last part of the address here.
    assert f"{offline}/models/nasnet_mobile_no_top.h5" in text
    assert "https://storage.googleapis.com/" in text
    assert "NASNet-mobile-no-top.h5" in text
    assert "Name or service not known" in text
    assert "--backbone" in text.rpartition("at hand: ")[2]
    assert "embedded" in text.rpartition("at hand: ")[2]
    for way in ("KERAS_HOME", "--set backbone.weights=PATH", "TFHUB_CACHE_DIR"):
        assert way in text


def test_cached_weights_are_taken_and_hashed(
    offline: Path, application: Any, images: np.ndarray, wanted: np.ndarray
) -> None:
    (offline / "models").mkdir()
    file = offline / "models" / "mobilenet_2_5_224_tf_no_top.h5"
    application.save(file)
    backbone = load_backbone("mobilenet_0_25", input_size=(32, 32))
    np.testing.assert_array_equal(backbone.features(images), wanted)
    assert backbone.weights_sha256 == sha256(file)


def test_options_that_the_weights_do_not_fit(offline: Path) -> None:
    with pytest.raises(UserError, match="the options change them"):
        load_backbone("mobilenet_v2", alpha=0.5)
    narrow = load_backbone("mobilenet_v2", "random", (32, 32), alpha=0.35)
    assert sum(layer.parameters for layer in narrow.layers) < 1_000_000


def test_efficientnet_is_scaled_as_keras_scales_it(
    images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras adds a layer to EfficientNet only for its ImageNet weights; ours must have it for every file."""
    from keras.src.utils import file_utils

    plain = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    plain.get_layer("normalization").set_weights(
        [np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225]), np.array(0)]
    )
    file = tmp_path / "efficientnetb0_notop.h5"
    plain.save(file)
    monkeypatch.setattr(file_utils, "get_file", lambda *_, **__: str(file))
    theirs = keras.applications.EfficientNetB0(
        include_top=False, weights="imagenet", input_shape=(32, 32, 3), pooling="avg"
    )
    ours = load_backbone("efficientnet_b0", str(file), (32, 32))
    stem = [model.get_layer("stem_conv_pad").output for model in (theirs, ours.model)]
    first = keras.Model(theirs.input, stem[0])(images.astype("float32"))
    cut = ours.cut("stem_conv_pad").prefix(images)
    np.testing.assert_allclose(cut, first, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours.features(images), theirs(images.astype("float32")), rtol=1e-4)
    # The same from weights that are put in place later, as a run does when it is opened again.
    later = load_backbone("efficientnet_b0", "random", (32, 32))
    for variable, value in zip(later.variables, ours.variables, strict=True):
        variable.assign(value)
    np.testing.assert_array_equal(later.cut("stem_conv_pad").prefix(images), cut)
    # A white pixel, by hand.
    white = np.asarray(ours.cut("stem_conv_pad").prefix(np.full((1, 32, 32, 3), 255, np.uint8)))[0, 5, 5, 0]
    assert white == pytest.approx((1 - 0.485) / math.sqrt(0.229) / math.sqrt(0.229), rel=1e-5)


@pytest.mark.real
def test_mobilenet_names_the_panda(keras_home: Path, shared_data: Path) -> None:
    """Preprocessing is right if ImageNet's own top, on our features, gives the photo its name."""
    photo = tf.io.decode_jpeg(tf.io.read_file(str(shared_data / "photos" / "panda.jpg")), channels=3)
    image = tf.cast(tf.round(tf.image.resize(photo, (224, 224))), tf.uint8)
    backbone = load_backbone("mobilenet_0_25")
    top = keras.Sequential(
        [keras.Input((256,)), keras.layers.Reshape((1, 1, 256)), keras.layers.Conv2D(1000, 1, name="preds")]
    )
    with_top = keras_home / "models" / "mobilenet_2_5_224_tf.h5"
    full = keras.applications.MobileNet(alpha=0.25, weights=str(with_top))
    top.get_layer("preds").set_weights(full.get_layer("conv_preds").get_weights())
    scores = np.asarray(top(backbone.features(image[None])))[0, 0, 0]
    # 388 is the giant panda in the order of ImageNet's classes.
    assert int(scores.argmax()) == 388


NARROW = {"alpha": 0.25}
REAL = [
    ("mobilenet_v2", "MobileNetV2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", {}),
    ("mobilenet_0_25", "MobileNet", "mobilenet_2_5_224_tf_no_top.h5", NARROW),
]


@pytest.mark.real
@pytest.mark.parametrize(("name", "constructor", "file", "arguments"), REAL, ids=[one[0] for one in REAL])
def test_imagenet_weights_are_those_that_keras_loads(
    keras_home: Path, name: str, constructor: str, file: str, arguments: dict[str, float]
) -> None:
    path = keras_home / "models" / file
    backbone = load_backbone(name)
    assert backbone.weights_sha256 == sha256(path)
    theirs = getattr(keras.applications, constructor)(
        include_top=False, weights=str(path), pooling="avg", input_shape=(224, 224, 3), **arguments
    )
    photo = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    wanted = theirs(photo.astype("float32") / 127.5 - 1, training=False)
    np.testing.assert_allclose(backbone.features(photo), wanted, rtol=1e-5, atol=1e-6)


def test_backbones_at_hand_are_those_whose_weights_are_here(monkeypatch, tmp_path):
    from transferkit.backbones.weights.pretrained import at_hand
    from transferkit.find_card import load_card

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = at_hand()
    assert "embedded" in before
    assert "resnet50" not in before
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / load_card("resnet50").weights.source.rpartition("/")[2]).write_bytes(b"x")
    assert at_hand() == sorted([*before, "resnet50"])
    # A broken card of one's own hides no fault of the weights.
    (tmp_path / "backbones").mkdir()
    (tmp_path / "backbones" / "mine.toml").write_text("broken")
    assert at_hand() == []
