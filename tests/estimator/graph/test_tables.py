"""Lookup tables in training, evaluation and exports, also once the vocabulary files are gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from transferkit.estimator import Estimator, EstimatorSpec, ServingInputReceiver

v1 = tf.compat.v1
WORDS = ["red", "green", "blue", "pink"]

_LOAD = """
import json, sys
import tensorflow as tf
given = json.loads(sys.argv[2])
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
answers = serve(**{name: tf.constant(values) for name, values in given.items()})
print(json.dumps({name: value.numpy().astype(str).tolist() for name, value in answers.items()}))
"""


def from_file(path, *, to_word=False):
    index = (tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)
    word = (tf.string, tf.lookup.TextFileIndex.WHOLE_LINE)
    key, value = (index, word) if to_word else (word, index)
    return tf.lookup.TextFileInitializer(str(path), *key, *value)


TABLES = {
    "static": lambda path: tf.lookup.StaticHashTable(from_file(path), -1),
    "v1": lambda path: v1.lookup.StaticHashTable(from_file(path), -1),
    "vocabulary": lambda path: tf.lookup.StaticVocabularyTable(from_file(path), 2),
}


@pytest.fixture
def words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("red\ngreen\nblue\n")
    return path


def make_model_fn(lookup, names):
    """Learns which words are wanted; answers with the labels' names."""

    def model_fn(features, labels, mode):
        ids = lookup()(features["word"])
        weights = v1.get_variable("weights", [6], initializer=v1.zeros_initializer())
        logits = tf.gather(weights, ids + 1)
        chosen = tf.cast(logits > 0, tf.int64)
        if mode == "infer":
            answers = tf.lookup.StaticHashTable(from_file(names, to_word=True), "?")
            return EstimatorSpec(mode, predictions={"id": ids, "name": answers.lookup(chosen)})
        wanted = tf.cast(labels, tf.float32)
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits))
        if mode == "eval":
            metrics = {"accuracy": v1.metrics.accuracy(labels, chosen)}
            return EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)
        optimizer = v1.train.GradientDescentOptimizer(1.0)
        return EstimatorSpec(mode, loss=loss, train_op=optimizer.minimize(loss, v1.train.get_global_step()))

    return model_fn


def data():
    return tf.data.Dataset.from_tensor_slices(({"word": WORDS}, [1, 0, 1, 0])).batch(4)


def train(lookup, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("no\nyes\n")
    estimator = Estimator(make_model_fn(lookup, names), str(tmp_path / "model"))
    for _ in range(2):
        estimator.train(lambda: data().repeat(), steps=20)
        assert estimator.evaluate(data)["accuracy"] == 1.0
    return estimator


def answers_elsewhere(folder, given):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", _LOAD, str(folder), json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def raw():
    words = v1.placeholder(tf.string, [None], "word")
    return ServingInputReceiver({"word": words}, {"word": words})


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_vocabularies_inside_model_fn_and_receiver(kind, words, tmp_path):
    estimator = train(lambda: TABLES[kind](words).lookup, tmp_path)
    expected = [one["id"] for one in estimator.predict(data)]
    assert expected[:3] == [0, 1, 2]

    def by_number():
        numbers = v1.placeholder(tf.int64, [None], "number")
        table = tf.lookup.StaticHashTable(from_file(words, to_word=True), "?")
        return ServingInputReceiver({"word": table.lookup(numbers)}, {"number": numbers})

    exports = [os.fsdecode(estimator.export_saved_model(tmp_path / "export", fn)) for fn in (raw, by_number)]
    for folder in exports:
        assert sorted(os.listdir(os.path.join(folder, "assets"))) == ["names.txt", "words.txt"]
    if kind != "static":
        return
    # Elsewhere, and without the files it was made from.
    words.unlink()
    (tmp_path / "names.txt").unlink()
    moved = [folder + "-moved" for folder in exports]
    for folder, place in zip(exports, moved, strict=True):
        os.rename(folder, place)
    found = answers_elsewhere(moved[0], {"word": WORDS})
    assert found["id"] == [str(one) for one in expected]
    assert found["name"] == ["yes", "no", "yes", "no"]
    serve = tf.saved_model.load(moved[1]).signatures["serving_default"]
    np.testing.assert_array_equal(serve(number=tf.constant([2, 1], tf.int64))["name"], [b"yes", b"no"])


def test_a_vocabulary_and_a_keras_layer_made_outside_and_captured(words, tmp_path):
    table = TABLES["static"](words)
    layer = keras.layers.StringLookup(vocabulary=str(words), num_oov_indices=0)

    def lookup():
        return lambda word: tf.where(word == "pink", table.lookup(word), tf.cast(layer(word), tf.int64))

    data_without_unknown = tf.data.Dataset.from_tensor_slices({"word": WORDS[:3]}).batch(3)
    estimator = Estimator(make_model_fn(lookup, words), str(tmp_path / "model"))
    estimator.train(lambda: data().map(lambda x, y: ({"word": x["word"][:3]}, y[:3])).repeat(), steps=5)
    assert [one["id"] for one in estimator.predict(lambda: data_without_unknown)] == [0, 1, 2]
    folder = os.fsdecode(estimator.export_saved_model(tmp_path / "export", raw))
    words.unlink()
    del estimator
    serve = tf.saved_model.load(folder).signatures["serving_default"]
    np.testing.assert_array_equal(serve(word=tf.constant(WORDS[:3]))["id"], [0, 1, 2])


def test_a_table_that_changes_is_shared_where_it_was_made_outside(words, tmp_path):
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    table.insert(tf.constant(["red", "blue"]), tf.constant([0, 2], tf.int64))
    estimator = train(lambda: table.lookup, tmp_path)
    folder = os.fsdecode(estimator.export_saved_model(tmp_path / "export", raw))
    serve = tf.saved_model.load(folder).signatures["serving_default"]
    np.testing.assert_array_equal(serve(word=tf.constant(WORDS))["id"], [0, -1, 2, -1])


def test_a_table_that_changes_and_is_made_inside_is_named(words, tmp_path, caplog):
    def lookup():
        return tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1).lookup

    estimator = Estimator(make_model_fn(lookup, words), str(tmp_path / "model"))
    with caplog.at_level("WARNING", "transferkit"):
        estimator.train(data, steps=1)
    assert "MutableHashTable" in caplog.text
    assert "in no checkpoint" in caplog.text
    with pytest.raises(ValueError, match="make it outside of model_fn"):
        estimator.export_saved_model(tmp_path / "export", raw)
    assert os.listdir(tmp_path / "export") == []
