"""Input functions of arrays and tables in memory, as ``tf.estimator.inputs`` has them."""

from transferkit.estimator.inputs.arrays import numpy_input_fn, pandas_input_fn

__all__ = ["numpy_input_fn", "pandas_input_fn"]
