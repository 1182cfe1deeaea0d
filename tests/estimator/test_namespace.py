"""``transferkit.estimator`` in the place of ``tf.estimator``, and the check of a code base."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import transferkit.estimator as tke
from transferkit.estimator.namespace.find_uses import main, uses_in

_OLD = """
import pickle
import sys
import tensorflow.compat.v1 as tf
if sys.argv[1] == "before":
    tf.disable_v2_behavior()
import transferkit.estimator
transferkit.estimator.install()
tf.disable_v2_behavior()
import tensorflow
import tensorflow_estimator
from tensorflow.estimator import RunConfig
from tensorflow.python.estimator.export import export
from tensorflow_estimator.python.estimator import estimator as estimator_lib
from tensorflow_estimator.python.estimator.model_fn import EstimatorSpec, ModeKeys
from tensorflow_estimator.python.estimator.inputs.numpy_io import numpy_input_fn
from tensorflow_estimator.python.estimator.canned import dnn, metric_keys, prediction_keys
from tensorflow_estimator.python.estimator.estimator import EstimatorV2
from tensorflow_estimator.python.estimator.export.export_lib import EXPORT_TAG_MAP, UnsupervisedInputReceiver
from tensorflow_estimator.python.estimator.model_fn import AVERAGE_LOSS_METRIC_KEY, LOSS_METRIC_KEY
from tensorflow.python.estimator.canned.head import _Head
from tensorflow.python.estimator.canned.optimizers import get_optimizer_instance
import numpy as np

assert (LOSS_METRIC_KEY, AVERAGE_LOSS_METRIC_KEY) == ("loss", "average_loss")
assert metric_keys.MetricKeys.LOSS == "loss" and prediction_keys.PredictionKeys.CLASSES == "classes"
assert EXPORT_TAG_MAP == {"train": ["train"], "eval": ["eval"], "infer": ["serve"]}
assert EstimatorV2 is transferkit.estimator.Estimator and issubclass(dnn.DNNClassifier, EstimatorV2)
assert dnn.DNNClassifierV2 is transferkit.estimator.DNNClassifier
assert dnn.DNNClassifier is transferkit.estimator.v1.DNNClassifier
assert tensorflow_estimator._api.v2.estimator.DNNClassifier is dnn.DNNClassifierV2
assert pickle.loads(pickle.dumps(dnn.DNNClassifier)) is dnn.DNNClassifier
for line, said in (
    ("from tensorflow_estimator.python.estimator.canned import kmeans", "sklearn.cluster"),
    ("from tensorflow.contrib import slim", "estimator check"),
    ("import tensorflow.contrib.layers as layers", "estimator check"),
    ("tf.contrib.slim", "estimator check"),
    ("tensorflow.contrib.slim", "estimator check"),
    ("from tensorflow.python.estimator.canned.boosted_trees import X", "Decision Forests"),
    ("from tensorflow_estimator.python.estimator.run_config import get_nothing", "get_nothing"),
):
    try:
        exec(line)
    except (ImportError, AttributeError) as error:
        assert said in str(error), error
    else:
        raise AssertionError(line)
assert tensorflow.estimator is tensorflow.compat.v2.estimator is transferkit.estimator
assert tf.estimator is tensorflow.compat.v1.estimator is transferkit.estimator.v1
assert tf.estimator.RunConfig is RunConfig and tf.estimator.inputs is transferkit.estimator.inputs

class Head(_Head):
    name, logits_dimension = None, 1

    def create_loss(self, features, mode, logits, labels):
        return tf.losses.mean_squared_error(labels, logits)

    def create_estimator_spec(self, features, mode, logits, labels=None, train_op_fn=None):
        if mode == ModeKeys.PREDICT:
            return EstimatorSpec(mode, predictions={"y": logits})
        loss = self.create_loss(features, mode, logits, labels)
        metrics = {"mae": tf.metrics.mean_absolute_error(labels, logits)}
        return EstimatorSpec(mode, loss=loss, train_op=train_op_fn(loss), eval_metric_ops=metrics)

def model_fn(features, labels, mode):
    w = tf.get_variable("w", [1, 1], initializer=tf.zeros_initializer())
    y = tf.matmul(features["x"], w)
    optimizer = get_optimizer_instance("SGD", learning_rate=0.1)
    assert type(optimizer) is tf.train.GradientDescentOptimizer
    assert len(set(tf.global_variables())) == 2
    train = lambda loss: optimizer.minimize(loss, tf.train.get_global_step())
    return Head().create_estimator_spec(features, mode, y, labels, train)

x = np.ones([4, 1], np.float32)
input_fn = numpy_input_fn({"x": x}, 2 * x, batch_size=2, num_epochs=None, shuffle=False)
model = estimator_lib.Estimator(model_fn, config=RunConfig())
print(model.train(input_fn, steps=2).evaluate(input_fn, steps=1)["global_step"])
print(next(model.predict(input_fn))["y"])
def receiver():
    x = tf.placeholder(tf.float32, [None, 1])
    return export.ServingInputReceiver({"x": x}, {"x": x})
print(model.export_savedmodel(sys.argv[2], receiver).decode().startswith(sys.argv[2]))
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_old_program_runs_uncut(when, tmp_path):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-W", "ignore", "-c", _OLD, when, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    step, value, exported = done.stdout.split()
    assert (step, exported) == ("2", "True")
    assert float(value.strip("[]")) == pytest.approx(0.72, rel=1e-5)


def test_what_is_not_there_says_what_to_use():
    with pytest.raises(AttributeError, match="Decision Forests"):
        _ = tke.BoostedTreesClassifier
    with pytest.raises(AttributeError, match="KMeans"):
        _ = tke.experimental.KMeans
    with pytest.raises(AttributeError, match=r"has no Nonsense$"):
        _ = tke.Nonsense


def test_a_code_base_is_checked(tmp_path, capsys):
    (tmp_path / "below").mkdir()
    program = tmp_path / "below" / "program.py"
    program.write_text(
        "import tensorflow.compat.v1 as tf\n"
        "import tensorflow as other\n"
        "from tensorflow_estimator.python.estimator import model_fn\n"
        "from tensorflow.contrib import slim\n"
        "config = tf.estimator.RunConfig(model_dir='x')\n"
        "tree = other.estimator.BoostedTreesClassifier(1, 2)\n"
        "receiver = tf.estimator.export.ServingInputReceiver\n"
        "layer = tf.layers.dense(slim.arg_scope(), 1)\n"
        "mine = config.estimator.Anything\n"
    )
    (tmp_path / "old.py").write_text("print 'two'\n")
    found = [(use.file.name, use.line, use.name, use.change is None) for use in uses_in(tmp_path)]
    assert found == [
        ("program.py", 3, "tensorflow_estimator.python.estimator.model_fn", False),
        ("program.py", 4, "tf.contrib.slim", False),
        ("program.py", 5, "tf.estimator.RunConfig", True),
        ("program.py", 6, "tf.estimator.BoostedTreesClassifier", False),
        ("program.py", 7, "tf.estimator.export.ServingInputReceiver", True),
        ("program.py", 8, "tf.contrib.slim.arg_scope", False),
        ("program.py", 8, "tf.layers.dense", False),
        ("old.py", 1, "the file", False),
    ]
    assert main(["check", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert f"{program}:6: tf.estimator.BoostedTreesClassifier: no boosted trees" in said
    assert "2 uses of 2 names are there: tf.estimator.RunConfig" in said
    (tmp_path / "old.py").unlink()
    program.write_text("import tensorflow as tf\nprint(tf.estimator.ModeKeys.TRAIN)\n")
    assert main(["check", str(program)]) == 0


@pytest.mark.parametrize("arguments", [[], ["check"], ["look", "x"], ["check", "no/such/place"]])
def test_a_wrong_call_of_the_check_ends_with_2(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err


def test_arrays_in_memory():
    x = np.arange(5, dtype=np.float32)
    make = tke.inputs.numpy_input_fn
    data = make({"x": x}, x * 2, batch_size=2, num_epochs=2, shuffle=False)()
    assert [(f["x"].tolist(), y.tolist()) for f, y in data.as_numpy_iterator()][2] == ([4, 0], [8, 0])
    assert len(list(make(x, batch_size=2, shuffle=False)())) == 3
    shuffled = np.concatenate(list(make(x, shuffle=True)().as_numpy_iterator()))
    assert sorted(shuffled.tolist()) == x.tolist()
    with pytest.raises(ValueError, match="shuffle"):
        make(x)
    with pytest.raises(TypeError):
        make([1.0], shuffle=False)
    with pytest.raises(ValueError, match="one length"):
        make({"a": x, "b": x[:2]}, shuffle=False)()
    with pytest.raises(ValueError, match="entry"):
        make({}, shuffle=False)


class Table:
    """As much of a pandas DataFrame as is asked for."""

    def __init__(self, **columns):
        self.parts = {name: np.asarray(values) for name, values in columns.items()}
        self.columns, self.index = list(self.parts), np.arange(len(next(iter(self.parts.values()))))

    def __getitem__(self, name):
        part = self.parts[name]
        return type("Series", (), {"to_numpy": lambda self: part, "index": self.index})()


def test_tables_in_memory():
    table = Table(a=[1.0, 2.0, 3.0], b=np.array(["x", "y", "z"], object))
    data = tke.inputs.pandas_input_fn(table, table["a"], batch_size=2, shuffle=False)()
    features, labels = next(data.as_numpy_iterator())
    assert features["b"].tolist() == [b"x", b"y"]
    assert labels.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="mismatched"):
        tke.inputs.pandas_input_fn(table, Table(a=[1.0])["a"], shuffle=False)


def _odd_folder(folder):
    for name in ("venv", ".git"):
        (folder / name).mkdir()
        (folder / name / "inside.py").write_text("import tensorflow as tf\ntf.estimator.Nonsense\n")
    (folder / "venv" / "pyvenv.cfg").touch()
    (folder / "aliases.py").write_text(
        "from tensorflow import contrib, estimator as est\n"
        "import tensorflow.compat.v1.estimator as first\n"
        "try:\n    import tensorflow.compat.v1 as tf\nexcept ImportError:\n    import tensorflow as tf\n"
        "slim = contrib.slim\n"
        "est.Estimator, first.DNNClassifier, slim.conv2d, tf.placeholder\n"
        "tf.keras.estimator.model_to_estimator, est.ModeKeys\n"
        "est.ModeKeys\n"
    )
    (folder / "marked.py").write_bytes(b"\xef\xbb\xbfimport tensorflow as tf\ntf.estimator.ModeKeys\0\n")
    (folder / "second.py").write_text(
        "import tensorflow as tf, sys  # tf.estimator.Comment\n"
        "from tensorflow.contrib.learn import (\n    RunConfig,\n    Experiment)\n"
        "print 'tf.estimator.String'\n"
        "tf.estimator.Estimator(1), tf.Session(), tf.placeholder()\n"
    )
    (folder / "nowhere.py").symlink_to(folder / "no such file")
    os.mkfifo(folder / "pipe.py")
    cells = [
        {"cell_type": "markdown", "source": ["tf.estimator.Text"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!ls\n", "import tensorflow as tf"]},
        {"cell_type": "code", "source": "%%bash\nls 'x"},
        {"cell_type": "code", "source": ["\n", "tf.estimator.RunConfig()"]},
    ]
    (folder / "notes.ipynb").write_text(json.dumps({"cells": cells}))
    (folder / "torn.ipynb").write_text('{"cells": 3}')
    (folder / "table.py").write_text(
        "import tensorflow as tf\nX = [\n" + "1,\n" * 700_000 + "]\ntf.estimator.ModeKeys"
    )


def test_what_is_found_in_old_files_notebooks_and_odd_ones(tmp_path):
    _odd_folder(tmp_path)
    found = [(use.place[len(str(tmp_path)) + 1 :], use.name, use.change) for use in uses_in(tmp_path)]
    there = [(place, name) for place, name, change in found if change is None]
    assert there == [
        ("aliases.py:1", "tf.estimator"),
        ("aliases.py:2", "tf.estimator"),
        ("aliases.py:8", "tf.compat.v1.estimator.DNNClassifier"),
        ("aliases.py:8", "tf.estimator.Estimator"),
        ("aliases.py:9", "tf.estimator.ModeKeys"),
        ("aliases.py:9", "tf.keras.estimator.model_to_estimator"),
        ("aliases.py:10", "tf.estimator.ModeKeys"),
        ("marked.py:2", "tf.estimator.ModeKeys"),
        ("notes.ipynb:cell 4:2", "tf.estimator.RunConfig"),
        ("second.py:6", "tf.estimator.Estimator"),
        ("table.py:700004", "tf.estimator.ModeKeys"),
    ]
    changes = [(place, name) for place, name, change in found if change is not None]
    assert changes == [
        ("aliases.py:1", "tf.contrib"),
        ("aliases.py:7", "tf.contrib.slim"),
        ("aliases.py:8", "tf.contrib.slim.conv2d"),
        ("nowhere.py:1", "the file"),
        ("second.py:3", "tf.contrib.learn.RunConfig"),
        ("second.py:4", "tf.contrib.learn.Experiment"),
        ("second.py:5", "the file"),
        ("second.py:6", "tf.Session and 1 more name"),
        ("torn.ipynb:1", "the file"),
    ]


def test_the_check_says_a_thing_once_a_file(tmp_path, capsys):
    _odd_folder(tmp_path)
    assert main(["check", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert f"{tmp_path}/aliases.py:9: tf.estimator.ModeKeys: is there (also 10)\n" in said
    assert "in transferkit.estimator.v1\n" in said
