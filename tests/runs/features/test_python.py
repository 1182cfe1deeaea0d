"""A run made from arrays, asked with arrays, and its Keras model."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import transferkit
from transferkit.errors import UserError


@pytest.fixture(scope="module")
def images(photos):
    files = sorted(photos.glob("*/*.png"))
    return np.stack([np.asarray(Image.open(file)) for file in files]), [file.parent.name for file in files]


@pytest.fixture(scope="module")
def events():
    return []


@pytest.fixture(scope="module")
def from_arrays(images, events, tmp_path_factory):
    return transferkit.retrain(
        data=images,
        backbone="embedded",
        run=tmp_path_factory.mktemp("runs") / "arrays",
        epochs=2,
        overrides=["evaluation.resamples=20", "export.parity=4"],
        quiet=True,
        callback=events.append,
    )


def test_arrays_train_a_run_that_finds_them_again(from_arrays, images, run):
    assert from_arrays.classes == run.classes
    assert sum(from_arrays.summary["images"].values()) == len(images[1])
    assert from_arrays.evaluate().metrics["accuracy"] == from_arrays.metrics["accuracy"]


def test_a_program_hears_of_stages_and_epochs_though_nothing_is_shown(from_arrays, events):
    begun = [one.stage for one in events if one.kind == "begin"]
    assert sorted(begun) == sorted(one.stage for one in events if one.kind == "end")
    assert {"backbone", "train", "evaluate", "export"} <= set(begun)
    epochs = [one for one in events if one.kind == "epoch"]
    assert [(one.done, one.total) for one in epochs] == [(1, 2), (2, 2)]
    assert [dict(one.facts)["loss"] for one in epochs] == [
        row["loss"] for row in from_arrays.history if row["epoch"]
    ]
    for stage in set(begun):
        done = [one.done for one in events if one.stage == stage and one.kind == "update"]
        assert done == sorted(done)


def test_images_are_answered_as_their_files_are(run, photos, images):
    files = sorted(photos.glob("*/*.png"))[::9]
    expected = [one.top for one in run.predict(files)]
    arrays = images[0][::9]
    assert [one.top for one in run.predict(arrays)] == expected
    assert [one.top for one in run.predict([Image.open(file) for file in files])] == expected
    (one,) = run.predict(arrays[0])
    assert (one.path, one.label) == ("image 0", expected[0][0][0])
    assert one.top[0][1] == pytest.approx(expected[0][0][1], abs=1e-5)
    with pytest.raises(UserError, match="multiply by 255"):
        run.predict(arrays / 255.0)


def test_the_keras_model_gives_the_same_probabilities(run, images):
    import tensorflow as tf

    (shape,) = {tuple(run.model.input_shape[1:3])}
    answer = run.predict(images[0][:1])[0]
    resized = tf.image.resize(images[0][:1], shape, antialias=True)
    given = run.model(tf.round(resized)).numpy()[0]
    assert given.sum() == pytest.approx(1, abs=1e-5)
    assert run.classes[given.argmax()] == answer.label
    assert given.max() == pytest.approx(answer.top[0][1], abs=0.05)
    assert run.model.trainable_variables
