"""A wide and deep model on one device and on two replicas of half the batch; prints what differs, as JSON."""

from __future__ import annotations

import json
import os
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

import transferkit.estimator as tke

tf.get_logger().setLevel("ERROR")
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
columns = tf.feature_column
random = np.random.RandomState(0)
FEATURES = {"age": random.normal(size=(16, 1)).astype(np.float32), "town": random.randint(0, 5, (16, 1))}
LABELS = random.randint(0, 2, (16, 1))
TOWN = columns.categorical_column_with_identity("town", 5)
DEEP = [columns.numeric_column("age"), columns.embedding_column(TOWN, 2)]


def trained(strategy, batch):
    estimator = tke.DNNLinearCombinedClassifier(
        tempfile.mkdtemp(),
        linear_feature_columns=[TOWN],
        dnn_feature_columns=DEEP,
        dnn_hidden_units=[3],
        dnn_optimizer=lambda: keras.optimizers.Adam(0.05),
        config=tke.RunConfig(tf_random_seed=1, train_distribute=strategy, eval_distribute=strategy),
    )

    def data():
        return tf.data.Dataset.from_tensor_slices((FEATURES, LABELS)).batch(batch)

    estimator.train(lambda: data().repeat(3))
    names = [name for name in estimator.get_variable_names() if name.startswith(("dnn/", "linear/"))]
    weights = {name: estimator.get_variable_value(name) for name in names}
    results = estimator.evaluate(data)
    return weights | {name: results[name] for name in ("average_loss", "accuracy_baseline", "auc")}


one = trained(None, 8)
two = trained(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), 4)
print(json.dumps({name: float(np.abs(one[name] - two[name]).max()) for name in one}))
