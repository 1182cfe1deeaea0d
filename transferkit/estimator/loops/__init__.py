"""The loops of training, evaluation and prediction."""
