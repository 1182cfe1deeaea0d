"""``transferkit.estimator`` in the place of ``tf.estimator``: for programs that cannot be edited."""

from transferkit.estimator.namespace.absent import missing
from transferkit.estimator.namespace.paths import install

__all__ = ["install", "missing"]
