"""Specs of examples hold features, label and weight, each once."""

from __future__ import annotations

import pytest
import tensorflow as tf

import transferkit.estimator as tke

columns = tf.feature_column
AGE = columns.numeric_column("age", (2,))
JOB = columns.categorical_column_with_vocabulary_list("job", ["cook", "clerk"])


def test_a_classifier_and_a_regressor():
    spec = tke.classifier_parse_example_spec([AGE, JOB], "label", tf.string, "cook", "weight")
    assert spec == {
        "age": tf.io.FixedLenFeature((2,), tf.float32),
        "job": tf.io.VarLenFeature(tf.string),
        "label": tf.io.FixedLenFeature((1,), tf.string, "cook"),
        "weight": tf.io.FixedLenFeature((1,), tf.float32),
    }
    spec = tke.regressor_parse_example_spec([AGE], "label", label_dimension=3)
    assert spec["label"] == tf.io.FixedLenFeature((3,), tf.float32)


@pytest.mark.parametrize(
    ("label", "weight", "said"),
    [
        ("age", None, "label_key: received 'age'"),
        ("label", "age", "weight_column: received 'age'"),
        ("label", "label", "weight_column: received 'label'"),
        ("label", 3, "a feature's name or a numeric_column"),
    ],
)
def test_a_name_that_is_taken(label, weight, said):
    with pytest.raises(ValueError, match=said):
        tke.classifier_parse_example_spec([AGE, JOB], label, weight_column=weight)
