"""The least that any tool must do: decode each photo once, one pass of OpenVINO, a logistic regression.

    python floor.py TRAIN VAL BACKBONE WEIGHTS [--pass-only]

What a careful person would write by hand for one machine: no cache, no export, no report, no checks. With
``--pass-only`` the classifier is left out too. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

started = time.perf_counter()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import openvino  # noqa: E402
import tensorflow as tf  # noqa: E402

imported = time.perf_counter() - started
APPLICATIONS = {
    "mobilenet_v2": (keras.applications.MobileNetV2, keras.applications.mobilenet_v2, 224),
    "inception_v3": (keras.applications.InceptionV3, keras.applications.inception_v3, 299),
}
BATCH = 32


def main() -> None:
    train_folder, val_folder, backbone, weights, *rest = sys.argv[1:]
    constructor, module, size = APPLICATIONS[backbone]
    base = constructor(
        include_top=False,
        pooling="avg",
        weights=None if weights == "random" else weights,
        input_shape=(size, size, 3),
    )

    @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3], tf.float32)])
    def features(images: tf.Tensor) -> tf.Tensor:
        return base(module.preprocess_input(images), training=False)

    compiled = openvino.compile_model(
        openvino.convert_model(features), "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"}
    )

    def decode(path: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method="INTEGER_FAST")
        return tf.image.resize(image, (size, size))

    def passed(folder: str) -> tuple[np.ndarray, np.ndarray]:
        classes = sorted(path for path in Path(folder).iterdir() if path.is_dir())
        files = [(str(file), label) for label, one in enumerate(classes) for file in sorted(one.iterdir())]
        images = tf.data.Dataset.from_tensor_slices([file for file, _ in files])
        images = images.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(2)
        rows = [compiled(batch.numpy())[0] for batch in images]
        return np.concatenate(rows), np.array([label for _, label in files])

    x, y = passed(train_folder)
    x_val, y_val = passed(val_folder)
    accuracy = None
    if "--pass-only" not in rest:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)).fit(x, y)
        accuracy = float(model.score(x_val, y_val))
    print(json.dumps({"imports": imported, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
