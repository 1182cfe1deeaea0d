"""What is found on the validation images of a trained network: temperature, thresholds, what is unknown."""
