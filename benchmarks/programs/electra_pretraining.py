"""Pretraining in the style of ELECTRA: a generator's masked words and a discriminator in one model_fn, a hook
that measures time, metrics as one function, a PretrainingConfig, TPUEstimator without a TPU.
"""

import collections
import os
import sys
import time

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
if sys.argv[-1:] != ["real"]:
    import transferkit.estimator

    transferkit.estimator.install()
tpu = v1.estimator.tpu

Inputs = collections.namedtuple("Inputs", ["input_ids", "masked_positions", "masked_ids", "masked_weights"])


class PretrainingConfig:
    def __init__(self, **kwargs):
        self.vocab_size, self.length, self.size = 40, 10, 12
        self.learning_rate, self.num_train_steps, self.num_warmup_steps = 5e-3, 30, 5
        self.gen_weight, self.disc_weight, self.train_batch_size, self.eval_batch_size = 1.0, 5.0, 8, 4
        self.model_dir = os.path.join("out", "electra")
        self.__dict__.update(kwargs)


def values(shape, dtype=None, partition_info=None):
    shape = [int(n) for n in shape]
    return np.random.RandomState(sum(shape)).normal(0, 0.2, shape).astype("f")


class PretrainingModel:
    """Both networks, their losses, and what metrics need of them."""

    def __init__(self, config, features):
        self._config = config
        inputs = Inputs(*(features[name] for name in Inputs._fields))
        logits = self._encoder(inputs.input_ids, "generator", config.size // 2, config.vocab_size)
        chosen = tf.gather(logits, inputs.masked_positions, batch_dims=1)
        labels = tf.one_hot(inputs.masked_ids, config.vocab_size)
        losses = -tf.reduce_sum(tf.nn.log_softmax(chosen) * labels, -1)
        weights = inputs.masked_weights
        self.mlm_loss = tf.reduce_sum(losses * weights) / (tf.reduce_sum(weights) + 1e-6)
        self.mlm_preds = tf.argmax(chosen, -1, output_type=tf.int32)
        fakes = tf.stop_gradient(self.mlm_preds)
        places = tf.one_hot(inputs.masked_positions, config.length, dtype=tf.int32)
        replaced = tf.reduce_max(places, 1)
        fake_ids = tf.reduce_sum(places * fakes[:, :, None], 1)
        ids = tf.where(replaced > 0, fake_ids, inputs.input_ids)
        originals = tf.where(
            replaced > 0, tf.reduce_sum(places * inputs.masked_ids[:, :, None], 1), inputs.input_ids
        )
        self.is_fake = tf.cast(tf.not_equal(ids, originals), tf.float32)
        scores = self._encoder(ids, "electra", config.size, 1)[..., 0]
        crossed = tf.nn.sigmoid_cross_entropy_with_logits(labels=self.is_fake, logits=scores)
        self.disc_loss = tf.reduce_mean(crossed)
        self.disc_preds = tf.cast(tf.round((tf.sign(scores) + 1) / 2), tf.int32)
        self.total_loss = config.gen_weight * self.mlm_loss + config.disc_weight * self.disc_loss
        self.inputs = inputs
        arguments = {
            "masked_lm_ids": inputs.masked_ids,
            "masked_lm_preds": self.mlm_preds,
            "masked_lm_weights": weights,
            "disc_labels": self.is_fake,
            "disc_preds": self.disc_preds,
            "disc_loss": crossed,
        }
        keys = sorted(arguments)

        def metric_fn(*given):
            d = dict(zip(keys, given, strict=False))
            metrics = {}
            metrics["masked_lm_accuracy"] = v1.metrics.accuracy(
                labels=tf.reshape(d["masked_lm_ids"], [-1]),
                predictions=tf.reshape(d["masked_lm_preds"], [-1]),
                weights=tf.reshape(d["masked_lm_weights"], [-1]),
            )
            metrics["disc_loss"] = v1.metrics.mean(d["disc_loss"])
            metrics["disc_accuracy"] = v1.metrics.accuracy(
                labels=d["disc_labels"], predictions=tf.cast(d["disc_preds"], tf.float32)
            )
            metrics["disc_recall"] = v1.metrics.accuracy(
                labels=d["disc_labels"],
                predictions=tf.cast(d["disc_preds"], tf.float32),
                weights=d["disc_labels"],
            )
            return metrics

        self.eval_metrics = (metric_fn, [arguments[key] for key in keys])

    def _encoder(self, ids, name, size, outputs):
        with v1.variable_scope(name):
            table = v1.get_variable("word_embeddings", [self._config.vocab_size, size], initializer=values)
            x = tf.gather(table, ids)
            around = tf.pad(x, [[0, 0], [1, 1], [0, 0]])
            x = tf.concat([around[:, :-2], x, around[:, 2:]], -1)
            for number in range(2):
                with v1.variable_scope(f"layer_{number}"):
                    kernel = v1.get_variable("kernel", [x.shape[-1], size], initializer=values)
                    bias = v1.get_variable("bias", [size], initializer=v1.zeros_initializer())
                    x = tf.tanh(tf.tensordot(x, kernel, 1) + bias)
            with v1.variable_scope("head"):
                kernel = v1.get_variable("kernel", [size, outputs], initializer=values)
                return tf.tensordot(x, kernel, 1)


class AdamWeightDecayOptimizer(v1.train.Optimizer):
    """Adam with weight decay, as such programs bring it: slots by name, updates by hand."""

    def __init__(self, rate, decay):
        super().__init__(False, "AdamWeightDecayOptimizer")
        self._rate, self._decay = rate, decay

    def _create_slots(self, var_list):
        del var_list

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        updates = []
        for gradient, variable in grads_and_vars:
            if gradient is None:
                continue
            gradient = tf.convert_to_tensor(gradient)
            base = variable.name.split(":")[0]
            m, v = (
                v1.get_variable(
                    f"{base}/{slot}",
                    variable.shape.as_list(),
                    trainable=False,
                    initializer=v1.zeros_initializer(),
                )
                for slot in ("adam_m", "adam_v")
            )
            next_m = 0.9 * m + 0.1 * gradient
            next_v = 0.999 * v + 0.001 * tf.square(gradient)
            update = next_m / (tf.sqrt(next_v) + 1e-6)
            if "bias" not in base:
                update += self._decay * variable
            updates += [variable.assign(variable - self._rate * update), m.assign(next_m), v.assign(next_v)]
        return tf.group(*updates, name=name)


class TrainingInfoHook(v1.train.SessionRunHook):
    """Tells loss and time now and then."""

    def __init__(self, loss, every):
        self._loss, self._every, self._count = loss, every, 0
        self.lines = []

    def begin(self):
        self._begin = time.time()
        self._step = v1.train.get_global_step()

    def before_run(self, run_context):
        self._last = time.time()
        return v1.train.SessionRunArgs({"loss": self._loss, "step": self._step})

    def after_run(self, run_context, run_values):
        self._count += 1
        assert time.time() >= self._last >= self._begin
        if self._count % self._every == 0:
            step, loss = run_values.results["step"], run_values.results["loss"]
            # Whether the step is read before or after it is moved, a session leaves open.
            print(f"{(int(step) + 5) // 10 * 10} loss {loss:.3g}")

    def end(self, session):
        print("seen", self._count, "at", int(session.run(self._step)))


def model_fn_builder(config):
    def model_fn(features, labels, mode, params):
        model = PretrainingModel(config, features)
        if mode == tf.estimator.ModeKeys.TRAIN:
            step = v1.train.get_or_create_global_step()
            rate = v1.train.polynomial_decay(
                config.learning_rate, step, config.num_train_steps, end_learning_rate=0.0, power=1.0
            )
            rate *= tf.minimum(1.0, (tf.cast(step, tf.float32) + 1.0) / config.num_warmup_steps)
            optimizer = AdamWeightDecayOptimizer(rate, 0.01)
            trainable = v1.trainable_variables()
            gradients, _ = tf.clip_by_global_norm(tf.gradients(model.total_loss, trainable), 1.0)
            train_op = optimizer.apply_gradients(list(zip(gradients, trainable, strict=False)))
            train_op = tf.group(train_op, [step.assign(step + 1)])
            hook = TrainingInfoHook(model.total_loss, 10)
            return tpu.TPUEstimatorSpec(
                mode=mode, loss=model.total_loss, train_op=train_op, training_hooks=[hook]
            )
        return tpu.TPUEstimatorSpec(mode=mode, loss=model.total_loss, eval_metrics=model.eval_metrics)

    return model_fn


def get_input_fn(config, seed):
    def input_fn(params):
        random = np.random.RandomState(seed)
        ids = random.randint(1, config.vocab_size, [64, config.length]).astype("i")
        # Neighbours tell of each other, so that there is something to learn.
        ids[:, 1::2] = (ids[:, ::2] * 7) % config.vocab_size
        places = np.stack([random.permutation(config.length)[:3] for _ in ids]).astype("i")
        masked = np.take_along_axis(ids, places, 1)
        seen = ids.copy()
        np.put_along_axis(seen, places, 0, 1)
        features = Inputs(seen, places, masked, np.ones(places.shape, "f"))._asdict()
        data = tf.data.Dataset.from_tensor_slices(dict(features)).repeat()
        return data.batch(params["batch_size"], drop_remainder=True)

    return input_fn


def main():
    config = PretrainingConfig()
    run_config = tpu.RunConfig(
        tpu_config=tpu.TPUConfig(
            iterations_per_loop=10,
            num_shards=None,
            tpu_job_name=None,
            per_host_input_for_training=tpu.InputPipelineConfig.PER_HOST_V2,
        ),
        model_dir=config.model_dir,
        save_checkpoints_steps=15,
    )
    estimator = tpu.TPUEstimator(
        use_tpu=False,
        model_fn=model_fn_builder(config),
        config=run_config,
        train_batch_size=config.train_batch_size,
        eval_batch_size=config.eval_batch_size,
    )
    estimator.train(input_fn=get_input_fn(config, 0), max_steps=config.num_train_steps)
    result = estimator.evaluate(input_fn=get_input_fn(config, 1), steps=8)
    print({key: f"{value:.4g}" for key, value in sorted(result.items())})
    for name in estimator.get_variable_names():
        print(name, f"{np.abs(estimator.get_variable_value(name)).sum():.4g}")


if __name__ == "__main__":
    main()
