"""The loop of Keras's transfer-learning guide: a frozen base inside the model, ``fit``, ``evaluate``.

    python keras_guide.py TRAIN VAL BACKBONE WEIGHTS EPOCHS [--tune=EPOCHS] [TEST]

Preprocessing, global pooling, dropout and a dense layer as the guide has them; the photos are cached as
decoded pixels and prefetched, as its data section advises. With --tune the whole network is trained
afterwards, as the guide ends; its batch normalisation stays as it is. Prints one line of JSON; with TEST its
accuracy, and whether each of its photos, in the order of their paths, was answered rightly.
"""

from __future__ import annotations

import json
import sys
import time

started = time.perf_counter()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

imported = time.perf_counter() - started
APPLICATIONS = {
    "mobilenet_v2": (keras.applications.MobileNetV2, keras.applications.mobilenet_v2, 224),
    "inception_v3": (keras.applications.InceptionV3, keras.applications.inception_v3, 299),
}


def main() -> None:
    train_folder, val_folder, backbone, weights, epochs, *tests = sys.argv[1:]
    tune = 0
    if tests and tests[0].startswith("--tune="):
        tune = int(tests.pop(0).partition("=")[2])
    constructor, module, size = APPLICATIONS[backbone]
    keras.utils.set_random_seed(0)

    def photos(folder: str, shuffle: bool) -> tf.data.Dataset:
        found = keras.utils.image_dataset_from_directory(
            folder, image_size=(size, size), batch_size=32, shuffle=shuffle, seed=0, verbose=False
        )
        classes.append(len(found.class_names))
        return found.cache().prefetch(tf.data.AUTOTUNE)

    classes: list[int] = []
    train, validation = photos(train_folder, True), photos(val_folder, False)
    base = constructor(
        include_top=False,
        weights=None if weights == "random" else weights,
        input_shape=(size, size, 3),
    )
    base.trainable = False
    inputs = keras.Input((size, size, 3))
    features = base(module.preprocess_input(inputs), training=False)
    pooled = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(features))
    model = keras.Model(inputs, keras.layers.Dense(classes[0])(pooled))
    for optimizer, count in ((keras.optimizers.Adam(), int(epochs)), (keras.optimizers.Adam(1e-5), tune)):
        if count:
            model.compile(
                optimizer,
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["accuracy"],
            )
            model.fit(train, epochs=count, validation_data=validation, verbose=0)
        base.trainable = True
    _, accuracy = model.evaluate(validation, verbose=0)
    found = {"imports": imported, "accuracy": float(accuracy)}
    for folder in tests:
        test = photos(folder, False)
        logits = model.predict(test, verbose=0)
        labels = tf.concat([batch for _, batch in test], 0).numpy()
        right = logits.argmax(axis=1) == labels
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        found |= {"accuracy": float(right.mean()), "right": right.astype(int).tolist()}
        found |= {"log_loss": float(tf.reduce_mean(losses))}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
