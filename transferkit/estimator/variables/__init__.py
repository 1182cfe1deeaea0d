"""The variables of an Estimator, found by name from every mode."""
