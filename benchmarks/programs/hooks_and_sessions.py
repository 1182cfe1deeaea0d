"""Hooks that assign, feed, load, save and reset through their session."""

import sys

import tensorflow as tf

v1 = tf.compat.v1
if sys.argv[-1] == "real":
    E = tf.estimator
else:
    from transferkit import estimator as E


def model_fn(features, labels, mode):
    slope = v1.get_variable("slope", [], initializer=v1.constant_initializer(4.0))
    rate = v1.get_variable("rate", [], initializer=v1.constant_initializer(0.2), trainable=False)
    loss = tf.reduce_mean(tf.square(slope * features - labels))
    train_op = v1.train.GradientDescentOptimizer(rate).minimize(loss, v1.train.get_global_step())
    return E.EstimatorSpec(mode, {"slope": tf.reshape(slope, [1])}, loss, train_op)


def data():
    return tf.data.Dataset.from_tensors(([1.0], [2.0])).repeat()


class Decay(v1.train.SessionRunHook):
    """Halves the rate every two steps, by a placeholder."""

    def begin(self):
        (self.rate,) = [v for v in v1.global_variables() if v.op.name == "rate"]
        self.value = v1.placeholder(tf.float32, [])
        self.assign = v1.assign(self.rate, self.value)

    def before_run(self, run_context):
        return v1.train.SessionRunArgs(self.rate)

    def after_run(self, run_context, run_values):
        rate = run_values.results
        # In a call of its own: fetched beside the step's own operations, it is read before or after it moves.
        if run_context.session.run(v1.train.get_global_step()) % 2:
            run_context.session.run(self.assign, feed_dict={self.value: rate / 2})


class Restart(v1.train.SessionRunHook):
    """Sets the weights back once, to a value and then to the first one."""

    def begin(self):
        self.weights = v1.trainable_variables()
        self.first = v1.variables_initializer(self.weights)
        self.seen = []

    def after_create_session(self, session, coord):
        self.weights[0].load(-1.0, session)
        self.seen.append(float(self.weights[0].eval(session=session)))
        session.run(self.first)
        self.seen.append(float(session.run(self.weights[0])))

    def end(self, session):
        with session.as_default():
            self.seen.append(round(float(self.weights[0].eval()), 5))


for make in (Decay, Restart):
    estimator = E.Estimator(model_fn)
    hook = make()
    estimator.train(data, hooks=[hook], steps=6)
    print(make.__name__, [float(estimator.get_variable_value(name)) for name in ("rate", "slope")])
    print(getattr(hook, "seen", None))
    estimator.train(data, steps=2)
    print("two more", float(estimator.get_variable_value("slope")))
