"""The network of a retraining and its model_fn, on top of the Estimator, which knows nothing of them."""
