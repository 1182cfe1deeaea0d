"""First values from another model."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import transferkit.estimator as tke

v1 = tf.compat.v1


def make(tmp_path, settings, prefix="", folder="new"):
    def model_fn(features, labels, mode):
        first = v1.get_variable(prefix + "first", [1], initializer=v1.zeros_initializer())
        second = v1.get_variable(prefix + "second", [1], initializer=v1.zeros_initializer())
        loss = tf.reduce_mean(features["x"] * first + second)
        train_op = v1.train.GradientDescentOptimizer(0.0).minimize(loss, v1.train.get_global_step())
        return tke.EstimatorSpec(mode, loss=loss, train_op=train_op)

    return tke.Estimator(model_fn, str(tmp_path / folder), warm_start_from=settings)


@pytest.fixture
def old(tmp_path, train_input):
    def model_fn(features, labels, mode):
        first = v1.get_variable("first", [1], initializer=v1.constant_initializer(3.0))
        second = v1.get_variable("second", [1], initializer=v1.constant_initializer(4.0))
        loss = tf.reduce_mean(features["x"] * first + second)
        train_op = v1.train.GradientDescentOptimizer(0.0).minimize(loss, v1.train.get_global_step())
        return tke.EstimatorSpec(mode, loss=loss, train_op=train_op)

    return tke.Estimator(model_fn, str(tmp_path / "old")).train(train_input, steps=5)


def values(estimator, prefix=""):
    return [float(estimator.get_variable_value(prefix + name)[0]) for name in ("first", "second")]


def test_all_trainable_variables_from_a_folder(old, train_input, tmp_path):
    new = make(tmp_path, old.model_dir).train(train_input, steps=1)
    assert values(new) == [3.0, 4.0]
    assert new.get_variable_value("global_step") == 1


@pytest.mark.parametrize(
    ("pattern", "expected"), [("fir.*", [3.0, 0.0]), (["second"], [0.0, 4.0]), (None, [0.0, 0.0])]
)
def test_patterns(pattern, expected, old, train_input, tmp_path):
    settings = tke.WarmStartSettings(old.latest_checkpoint(), vars_to_warm_start=pattern)
    assert values(make(tmp_path, settings).train(train_input, steps=1)) == expected


def test_other_names(old, train_input, tmp_path):
    names = {"other_first": "second", "other_second": "first"}
    settings = tke.WarmStartSettings(old.model_dir, var_name_to_prev_var_name=names)
    new = make(tmp_path, settings, "other_").train(train_input, steps=1)
    assert values(new, "other_") == [4.0, 3.0]


def test_a_checkpoint_of_its_own_comes_before(old, train_input, tmp_path):
    make(tmp_path, None).train(train_input, steps=1)
    assert values(make(tmp_path, old.model_dir).train(train_input, steps=1)) == [0.0, 0.0]


def test_what_is_missing_is_named(old, train_input, tmp_path):
    with pytest.raises(ValueError, match="other_first"):
        make(tmp_path, old.model_dir, "other_").train(train_input, steps=1)
    with pytest.raises(ValueError, match="ckpt_to_initialize_from"):
        tke.WarmStartSettings("")


def test_init_from_checkpoint_in_the_model_fn(old, train_input, tmp_path):
    def model_fn(features, labels, mode):
        first = v1.get_variable("mine", [1], initializer=v1.zeros_initializer())
        v1.train.init_from_checkpoint(old.model_dir, {"first": first})
        loss = tf.reduce_mean(features["x"] * first)
        train_op = v1.train.GradientDescentOptimizer(0.0).minimize(loss, v1.train.get_global_step())
        return tke.EstimatorSpec(mode, loss=loss, train_op=train_op)

    new = tke.Estimator(model_fn, str(tmp_path / "new")).train(train_input, steps=1)
    np.testing.assert_array_equal(new.get_variable_value("mine"), [3.0])


@pytest.fixture
def words(tmp_path):
    (tmp_path / "old.txt").write_text("sun\nmoon\nstar\n")
    (tmp_path / "new.txt").write_text("star\ncomet\nsun\nplanet\n")
    return str(tmp_path / "new.txt"), str(tmp_path / "old.txt")


def embedding(folder, shape, settings=None, start=0.0):
    def model_fn(features, labels, mode):
        first = v1.constant_initializer(start)
        cut = v1.fixed_size_partitioner(2) if settings else None
        weight = v1.get_variable("weight", shape, initializer=first, partitioner=cut)
        loss = tf.reduce_mean(tf.convert_to_tensor(weight)) * tf.reduce_mean(features["x"])
        train_op = v1.train.GradientDescentOptimizer(0.0).minimize(loss, v1.train.get_global_step())
        return tke.EstimatorSpec(mode, loss=loss, train_op=train_op)

    return tke.Estimator(model_fn, str(folder), warm_start_from=settings)


def test_rows_are_found_by_their_vocabulary(words, train_input, tmp_path):
    old = embedding(tmp_path / "old", [3, 2], start=np.arange(6.0).reshape(3, 2))
    old.train(train_input, steps=1)
    begin = v1.constant_initializer(9.0)
    info = tke.VocabInfo(words[0], 3, 1, words[1], backup_initializer=begin)
    for pattern in (".*", None):
        settings = tke.WarmStartSettings(old.model_dir, pattern, {"weight": info})
        new = embedding(tmp_path / f"new{pattern}", [4, 2], settings).train(train_input, steps=1)
        # star, comet, sun, and what no vocabulary has.
        assert new.get_variable_value("weight").tolist() == [[4, 5], [9, 9], [0, 1], [9, 9]]
    fewer = tke.VocabInfo(words[0], 4, 0, words[1], old_vocab_size=2)
    settings = tke.WarmStartSettings(old.model_dir, ".*", {"weight": fewer})
    new = embedding(tmp_path / "fewer", [4, 2], settings).train(train_input, steps=1)
    assert new.get_variable_value("weight").tolist() == [[0, 0], [0, 0], [0, 1], [0, 0]]


def test_columns_are_found_by_their_vocabulary(words, train_input, tmp_path):
    old = embedding(tmp_path / "old", [2, 3], start=np.arange(6.0).reshape(2, 3))
    old.train(train_input, steps=1)
    info = tke.VocabInfo(words[0], 4, 0, words[1], axis=1)
    settings = tke.WarmStartSettings(old.model_dir, ".*", {"weight": info})
    new = embedding(tmp_path / "new", [2, 4], settings).train(train_input, steps=1)
    assert new.get_variable_value("weight").tolist() == [[2, 0, 0, 0], [5, 0, 3, 0]]


def test_faults_of_vocabularies(words, train_input, tmp_path):
    old = embedding(tmp_path / "old", [2, 2]).train(train_input, steps=1)
    for info, said in (
        (tke.VocabInfo(words[0], 4, 0, words[1]), "at most 2 entries"),
        (tke.VocabInfo(words[0], 3, 0, words[1]), "num_oov_buckets"),
        (tke.VocabInfo(str(tmp_path / "none"), 4, 0, words[1]), "a vocabulary file"),
    ):
        settings = tke.WarmStartSettings(old.model_dir, ".*", {"weight": info})
        with pytest.raises(ValueError, match=said):
            embedding(tmp_path / "new", [4, 2], settings).train(train_input, steps=1)
    settings = tke.WarmStartSettings(old.model_dir, ".*", {"wieght": info})
    with pytest.raises(ValueError, match="weight"):
        embedding(tmp_path / "new", [2, 2], settings).train(train_input, steps=1)
    with pytest.raises(ValueError, match="0 or 1"):
        tke.VocabInfo(words[0], 4, 0, words[1], axis=2)


def test_a_checkpoint_by_objects_gives_its_values_by_name(train_input, tmp_path):
    held = tf.train.Checkpoint(a=tf.Variable([5.0], name="first"), b=tf.Variable([6.0], name="second"))
    path = held.save(str(tmp_path / "objects" / "ckpt"))
    assert values(make(tmp_path, path).train(train_input, steps=1)) == [5.0, 6.0]
