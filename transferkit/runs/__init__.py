"""Runs: retrain, evaluate, export and predict, put together from everything below."""
