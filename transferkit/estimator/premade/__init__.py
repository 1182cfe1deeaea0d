"""Estimators with a model of their own: deep, linear, both, and a baseline, on feature columns."""
