"""What ``tf.estimator`` and ``tf.contrib`` had and this package has not: one line each says what to use."""

from __future__ import annotations

import re

__all__ = ["CONTRIB", "LEGACY_KERAS", "contrib_hint", "explained", "missing"]

LEGACY_KERAS = "needs tf_keras and TF_USE_LEGACY_KERAS=1; or use tf.keras.layers"
_NO_CONTRIB = re.compile(r"module '[\w.]+' has no attribute 'contrib'|No module named '[\w.]*contrib[\w.]*'")

_TREES = "no boosted trees in today's TensorFlow; use TensorFlow Decision Forests or scikit-learn"

# A pattern of names -> what to use. The first that matches counts.
_ABSENT = (
    (r"(experimental\.)?BoostedTrees\w*|boosted_trees\w*", _TREES),
    (
        r"(experimental\.)?LinearSDCA|linear_optimizer|sdca\w*",
        "no SDCA optimizer; use FTRL (tf.keras.optimizers.Ftrl)",
    ),
    (r"(experimental\.)?KMeans\w*|kmeans", "use sklearn.cluster.KMeans or MiniBatchKMeans"),
    (r"(experimental\.)?RNN\w*|rnn", "write a model_fn with keras.layers.LSTM or GRU"),
    (r"SavedModelEstimator|saved_model_estimator", "load it by tf.saved_model.load in a model_fn"),
    (
        r"_\w+_head\w*",
        "use MultiClassHead, BinaryClassHead, MultiLabelHead, RegressionHead or a class of its own",
    ),
    (r"timeseries", "no time series models; write a model_fn with keras layers"),
    (r"tpu\.experimental\w*.*", "TPU embeddings are not supported; use tf.nn.embedding_lookup"),
)

# Parts of tf.contrib -> what stands for them today.
CONTRIB = {
    "autograph": "tf.autograph",
    "checkpoint": "tf.train.Checkpoint",
    "cluster_resolver": "tf.distribute.cluster_resolver",
    "crf": "a copy of tfa.text.crf_log_likelihood and crf_decode of TensorFlow Addons",
    "cudnn_rnn": "tf.keras.layers.LSTM, GRU",
    "data": "tf.data",
    "data.map_and_batch": "Dataset.map and Dataset.batch(drop_remainder=…)",
    "data.shuffle_and_repeat": "Dataset.shuffle and Dataset.repeat",
    "distribute": "tf.distribute, given as RunConfig(train_distribute=…)",
    "distributions": "the tensorflow-probability package",
    "eager": "TensorFlow 2, which is eager, and tf.GradientTape",
    "estimator": "transferkit.estimator, its heads and transferkit.estimator.experimental",
    "factorization.KMeans": "sklearn.cluster.KMeans or MiniBatchKMeans",
    "feature_column": "tf.feature_column",
    "framework": "tf.compat.v1 (arg_scope: keyword arguments; get_or_create_global_step: in train)",
    "hparams": "a dictionary or dataclass as params",
    "image": "tf.image, or keras.layers of augmentation",
    "keras": "tf.keras",
    "layers": "tf.keras.layers (batch_norm: BatchNormalization; xavier_initializer: GlorotUniform)",
    "learn": "transferkit.estimator (RunConfig, EstimatorSpec, ModeKeys, train_and_evaluate)",
    "learn.learn_runner": "transferkit.estimator.train_and_evaluate",
    "lookup": "tf.lookup.StaticVocabularyTable or StaticHashTable of a tf.lookup.TextFileInitializer",
    "losses": "tf.compat.v1.losses",
    "metrics": "tf.compat.v1.metrics or tf.keras.metrics",
    "mixed_precision": "RunConfig(mixed_precision='bfloat16')",
    "opt": "tf.keras.optimizers (AdamW, weight decay among them)",
    "predictor": "tf.saved_model.load(folder).signatures[…]",
    "rnn": "tf.keras.layers.LSTM, GRU",
    "seq2seq": "keras layers, or TensorFlow Text",
    "slim": "the tf-slim package, or tf.keras.applications",
    "summary": "tf.compat.v1.summary",
    "tensorboard": "tensorboard.plugins",
    "tpu": "transferkit.estimator.tpu; CrossShardOptimizer is in tf.compat.v1.tpu",
    "training": "tf.compat.v1.train, tf.train",
    "training.HParams": "a dictionary or types.SimpleNamespace as params",
}


def missing(name: str) -> str | None:
    """What to use in place of ``tf.estimator.NAME``; None for a name that nothing is known of."""
    for pattern, hint in _ABSENT:
        if re.fullmatch(pattern, name):
            return hint
    return None


def contrib_hint(part: str) -> str:
    """What to use in place of ``tf.contrib.PART``."""
    parts = part.split(".")
    use = CONTRIB.get(".".join(parts[:2])) or CONTRIB.get(parts[0])
    return f"tf.contrib ended with TensorFlow 1; use {use}" if use else "tf.contrib ended with TensorFlow 1"


def explained(error: Exception) -> str | None:
    """What to say, in one line, of an error that code of TensorFlow 1 meets today; None for any other."""
    text = str(error)
    if "not available with Keras 3" in text:
        return f"{text.rstrip('.')}: {LEGACY_KERAS}"
    if _NO_CONTRIB.search(text):
        return f"{text}: {contrib_hint('')}; python -m transferkit.estimator check lists what to use for each"
    return None
