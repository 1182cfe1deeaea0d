"""Ready Keras models behind an Estimator, of either Keras."""
