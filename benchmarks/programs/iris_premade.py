"""An iris-like table in the style of the public premade_estimator.py: two hidden layers, three species."""

import os
import sys

import numpy as np
import tensorflow as tf

if sys.argv[-1] == "real":
    E, optimizers = tf.estimator, tf.keras.optimizers.legacy
else:
    import transferkit.estimator as E

    optimizers = tf.keras.optimizers
v1 = tf.compat.v1
v1.logging.set_verbosity(v1.logging.ERROR)

COLUMNS = ["SepalLength", "SepalWidth", "PetalLength", "PetalWidth"]
SPECIES = ["Setosa", "Versicolor", "Virginica"]
CENTRES = np.array([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])


def flowers(count, seed):
    """Measurements around the centre of each species."""
    random = np.random.RandomState(seed)
    species = random.randint(0, 3, count)
    values = (CENTRES[species] + random.normal(scale=0.3, size=[count, 4])).astype(np.float32)
    return {name: values[:, place] for place, name in enumerate(COLUMNS)}, species


def input_fn(features, labels, training=True, batch_size=30):
    dataset = tf.data.Dataset.from_tensor_slices((dict(features), labels))
    if training:
        dataset = dataset.repeat()
    return dataset.batch(batch_size)


def first_weights():
    """A checkpoint with the same first weights for both sides."""
    random = np.random.RandomState(0)
    shapes = {
        "dnn/hiddenlayer_0/kernel": [4, 30],
        "dnn/hiddenlayer_0/bias": [30],
        "dnn/hiddenlayer_1/kernel": [30, 10],
        "dnn/hiddenlayer_1/bias": [10],
        "dnn/logits/kernel": [10, 3],
        "dnn/logits/bias": [3],
    }
    with tf.Graph().as_default(), v1.Session() as session:
        for name, shape in shapes.items():
            v1.get_variable(name, initializer=random.normal(scale=0.2, size=shape).astype(np.float32))
        session.run(v1.global_variables_initializer())
        return v1.train.Saver().save(session, os.path.join("first", "model.ckpt"))


train, test = flowers(120, 1), flowers(60, 2)
feature_columns = [tf.feature_column.numeric_column(key=key) for key in train[0]]
classifier = E.DNNClassifier(
    feature_columns=feature_columns,
    hidden_units=[30, 10],
    n_classes=3,
    model_dir="model",
    optimizer=lambda: optimizers.Adagrad(0.1),
    warm_start_from=first_weights(),
)
classifier.train(input_fn=lambda: input_fn(*train), steps=200)
result = classifier.evaluate(input_fn=lambda: input_fn(*test, training=False))
for key, value in sorted(result.items()):
    print(key, f"{value:.4f}")
for name in ("dnn/logits/bias", "dnn/hiddenlayer_1/bias"):
    print(name, [f"{value:.4f}" for value in classifier.get_variable_value(name)])

expected = ["Setosa", "Versicolor", "Virginica"]
predict_x = {
    "SepalLength": [5.1, 5.9, 6.9],
    "SepalWidth": [3.3, 3.0, 3.1],
    "PetalLength": [1.7, 4.2, 5.4],
    "PetalWidth": [0.5, 1.5, 2.1],
}


def predict_input_fn():
    return tf.data.Dataset.from_tensor_slices(predict_x).batch(3)


for prediction, species in zip(classifier.predict(input_fn=predict_input_fn), expected, strict=True):
    class_id = prediction["class_ids"][0]
    probability = prediction["probabilities"][class_id]
    print(f"{SPECIES[class_id]} ({100 * probability:.1f}%), expected {species}, {prediction['classes'][0]}")

receiver = E.export.build_parsing_serving_input_receiver_fn(
    tf.feature_column.make_parse_example_spec(feature_columns)
)
saved = classifier.export_saved_model("export", receiver)
example = tf.train.Example()
for name, values in predict_x.items():
    example.features.feature[name].float_list.value.append(values[1])
serve = tf.saved_model.load(os.fsdecode(saved)).signatures["serving_default"]
scores = serve(inputs=tf.constant([example.SerializeToString()]))
print([f"{value:.4f}" for value in scores["scores"].numpy()[0]], scores["classes"].numpy()[0].tolist())
