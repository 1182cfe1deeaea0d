"""A census-like table in the style of the public wide_deep.py: crosses, embeddings, train_and_evaluate."""

import os
import sys

import numpy as np
import tensorflow as tf

if sys.argv[-1] == "real":
    E = tf.estimator
else:
    import transferkit.estimator as E
v1 = tf.compat.v1
v1.logging.set_verbosity(v1.logging.ERROR)
fc = tf.feature_column

EDUCATION = ["Bachelors", "HS-grad", "11th", "Masters", "Doctorate", "Some-college"]
RELATION = ["Husband", "Not-in-family", "Wife", "Own-child"]
WORK = ["Private", "Self-emp", "Federal-gov", "Local-gov"]
OCCUPATION = ["Tech", "Sales", "Farming", "Craft", "Clerical", "Exec"]


def people(count, seed):
    """Rows with the census' columns, and whether the income is high."""
    random = np.random.RandomState(seed)
    rows = {
        "age": random.randint(17, 80, count).astype(np.float32),
        "education_num": random.randint(5, 16, count).astype(np.float32),
        "hours_per_week": random.randint(10, 70, count).astype(np.float32),
        "education": random.choice(EDUCATION, count),
        "relationship": random.choice(RELATION, count),
        "workclass": random.choice([*WORK, "?"], count),
        "occupation": random.choice(OCCUPATION, count),
        "fnlwgt": random.uniform(0.5, 1.5, count).astype(np.float32),
    }
    score = (
        0.04 * (rows["age"] - 45) + 0.25 * (rows["education_num"] - 10) + 0.03 * (rows["hours_per_week"] - 40)
    )
    score += (rows["relationship"] == "Husband") + (rows["occupation"] == "Exec") - 0.5
    score += random.normal(scale=0.5, size=count)
    return rows, np.where(score > 0, ">50K", "<=50K")


def model_columns():
    age = fc.numeric_column("age")
    education = fc.categorical_column_with_vocabulary_list("education", EDUCATION)
    relationship = fc.categorical_column_with_vocabulary_list("relationship", RELATION)
    workclass = fc.categorical_column_with_vocabulary_list("workclass", WORK)
    occupation = fc.categorical_column_with_hash_bucket("occupation", hash_bucket_size=50)
    age_buckets = fc.bucketized_column(age, boundaries=[18, 25, 30, 35, 40, 45, 50, 55, 60, 65])
    wide = [education, relationship, workclass, occupation, age_buckets]
    wide += [
        fc.crossed_column(["education", "occupation"], hash_bucket_size=100),
        fc.crossed_column([age_buckets, "education", "occupation"], hash_bucket_size=100),
    ]
    deep = [
        fc.numeric_column("age", normalizer_fn=lambda age: age / 50),
        fc.numeric_column("education_num", normalizer_fn=lambda number: number / 10),
        fc.numeric_column("hours_per_week", normalizer_fn=lambda hours: hours / 40),
        fc.indicator_column(workclass),
        fc.indicator_column(education),
        fc.indicator_column(relationship),
        fc.embedding_column(occupation, dimension=8),
    ]
    return wide, deep


def first_weights():
    """A checkpoint with the same first weights of the deep part for both sides."""
    random = np.random.RandomState(0)
    shapes = {
        "dnn/input_from_feature_columns/input_layer/occupation_embedding/embedding_weights": [50, 8],
        "dnn/hiddenlayer_0/kernel": [25, 20],
        "dnn/hiddenlayer_1/kernel": [20, 10],
        "dnn/logits/kernel": [10, 1],
    }
    with tf.Graph().as_default(), v1.Session() as session:
        for name, shape in shapes.items():
            v1.get_variable(name, initializer=random.normal(scale=0.2, size=shape).astype(np.float32))
        session.run(v1.global_variables_initializer())
        prefix = v1.train.Saver().save(session, os.path.join("first", "model.ckpt"))
    return E.WarmStartSettings(prefix, [f"{name}(:0)?$" for name in shapes])


train, test = people(600, 1), people(300, 2)


def input_fn(rows, epochs):
    return tf.data.Dataset.from_tensor_slices(rows).repeat(epochs).batch(40)


wide_columns, deep_columns = model_columns()
model = E.DNNLinearCombinedClassifier(
    model_dir="model",
    linear_feature_columns=wide_columns,
    dnn_feature_columns=deep_columns,
    dnn_hidden_units=[20, 10],
    label_vocabulary=["<=50K", ">50K"],
    weight_column="fnlwgt",
    dnn_optimizer="Adam",
    linear_optimizer="Ftrl",
    warm_start_from=first_weights(),
    config=E.RunConfig(save_checkpoints_steps=60, keep_checkpoint_max=3),
)
spec = E.classifier_parse_example_spec(
    [*wide_columns, *deep_columns], "income", tf.string, weight_column="fnlwgt"
)
print("spec", {key: str(value) for key, value in sorted(spec.items())})
serving = {key: value for key, value in spec.items() if key not in ("income", "fnlwgt")}
receiver = E.export.build_parsing_serving_input_receiver_fn(serving)
E.train_and_evaluate(
    model,
    E.TrainSpec(lambda: input_fn(train, None), max_steps=240),
    E.EvalSpec(
        lambda: input_fn(test, 1), steps=None, exporters=E.FinalExporter("final", receiver), throttle_secs=0
    ),
)
results = model.evaluate(lambda: input_fn(test, 1))
for key, value in sorted(results.items()):
    print(key, f"{value:.3f}")
for name in sorted(model.get_variable_names()):
    if name.split("/")[-1] in ("bias", "bias_weights") or name.endswith("relationship/weights"):
        value = np.ravel(model.get_variable_value(name))[:4]
        print(name, model.get_variable_value(name).shape, [f"{one:.3f}" for one in value])
for number, one in enumerate(model.predict(lambda: input_fn(test, 1))):
    if number == 3:
        break
    print(one["classes"][0].decode(), f"{one['logistic'][0]:.3f}", one["all_classes"].tolist())
folders = tf.io.gfile.glob(os.path.join("model", "export", "final", "*"))
signatures = tf.saved_model.load(folders[0]).signatures
print(sorted(name for name in signatures if not name.startswith("__")))
example = tf.train.Example()
for key, value in test[0].items():
    if key in serving:
        kind = example.features.feature[key]
        if value.dtype.kind == "U":
            kind.bytes_list.value.append(value[0].encode())
        else:
            kind.float_list.value.append(value[0])
answer = signatures["predict"](examples=tf.constant([example.SerializeToString()]))
print({key: np.round(value.numpy(), 3).tolist() for key, value in sorted(answer.items()) if "prob" in key})
print(sorted(os.path.basename(path) for path in tf.io.gfile.glob("model/*.index")))
